import { dirname, resolve } from 'node:path'
import type * as v from 'valibot'
import type { Condition } from '../../routing/condition.ts'
import type { EnvelopeSet, Route, Routing } from '../../routing/route.ts'
import type { Surroundings, Understood } from '../build.ts'
import { freeze, here, present, processOf, sourceOf, splunkHecOf, syslogOf } from '../build.ts'
import type { CredentialsConfig } from '../credentials.ts'
import { credentialsConfig } from '../credentials.ts'
import type { Environment } from '../environment.ts'
import { exposureOfFile } from '../exposed-files.ts'
import type { Loaded } from '../load.ts'
import { NOT_ASKED, understand } from '../load.ts'
import type { SinkConfig, SourceConfig } from '../model.ts'
import type { Problem } from '../problems.ts'
import type { Peer, Setting } from '../setting.ts'
import { PEERS } from '../setting.ts'
import type { SettingName, Values } from '../settings.ts'
import { SETTINGS, settingsToAsk } from '../settings.ts'
import { unknownVariables } from '../unknown.ts'
import { auditPoliciesOf } from './audit-policies.ts'
import { fileDescription } from './description.ts'
import { YamlDocument } from './document.ts'
import { Findings } from './findings.ts'
import { Interpolation } from './interpolation.ts'
import { readConfigFile } from './read.ts'
import { checkRoutes } from './routes.ts'
import type { Section, SectionPlace } from './sections.ts'
import { checkSection, pathsOf, sectionOf } from './sections.ts'
import type { SettingKeys } from './setting-keys.ts'
import {
  CREDENTIALS_KEYS,
  HEC_KEYS,
  HEC_TLS_KEYS,
  isCredentialsType,
  SOURCE_KEYS,
  SYSLOG_KEYS,
  SYSLOG_TLS_KEYS,
} from './setting-keys.ts'
import { refuseSharedPaths } from './shared-paths.ts'
import { warnOfExposedFiles } from './step-files.ts'
import type { StepFiles } from './step-parts.ts'
import { stepsOf } from './steps.ts'
import { testsOf } from './tests.ts'
import { CREDENTIALS_SETTINGS, twoTruths } from './two-truths.ts'
import { valuesOf } from './values.ts'
import type { KeyPath, Written } from './written.ts'
import { entriesOf, textOf } from './written.ts'

type FileValues = v.InferOutput<ReturnType<typeof fileDescription>>

/** The settings that the environment has although there is a file. */
const PROCESS_GROUPS: readonly string[] = ['data', 'network', 'process', 'search']

/** The configuration that a file makes, with the environment beside it, or all problems of both. */
export function loadConfigFile(
  path: string,
  env: Environment,
  surroundings: Surroundings = here(),
  asked: readonly Peer[] = PEERS,
): Loaded {
  const read = readConfigFile(path)
  if ('problem' in read) return { problems: [read.problem] }
  const interpolation = new Interpolation(env, dirname(path))
  const document = new YamlDocument(read.text, interpolation)
  const { root } = document
  if (root === undefined) {
    const problems = document.problems.map(({ at, ...problem }) => ({
      variable: '',
      place: `${path}:${document.placeOf(at)}`,
      ...problem,
    }))
    return { problems }
  }
  const findings = new Findings(path, document, root)
  return new FileReading({ path, env, surroundings, asked, root, findings, quoted: interpolation.quoted }).loaded()
}

interface FileParts {
  readonly path: string
  readonly env: Environment
  readonly surroundings: Surroundings
  readonly asked: readonly Peer[]
  readonly root: Written
  readonly findings: Findings
  readonly quoted: ReadonlySet<string>
}

/** One reading of a file. It goes on after a problem, so that all of them are told at once. */
class FileReading {
  readonly #parts: FileParts
  readonly #findings: Findings
  /** Problems of the environment. */
  readonly #problems: Problem[] = []
  readonly #warnings: string[] = []
  #ofEnvironment: { readonly config: CredentialsConfig | undefined } | undefined

  constructor(parts: FileParts) {
    this.#parts = parts
    this.#findings = parts.findings
  }

  loaded(): Loaded {
    const { root, env } = this.#parts
    const values = this.#values()
    const { conditions } = checkRoutes(root, this.#findings)
    const process = this.#process()
    const sources = this.#sources(process?.values.SLS_CONSUMER)
    const sinks = this.#sinks(process?.values.MAX_IN_FLIGHT_BYTES)
    warnOfExposedFiles(root, dirname(this.#parts.path), this.#findings)
    refuseSharedPaths(root, dirname(this.#parts.path), this.#findings)
    const tests = testsOf(root, this.#findings)
    const policies = auditPoliciesOf(root, dirname(this.#parts.path), this.#findings)
    const problems = [...this.#findings.problems, ...policies.problems, ...this.#problems, ...twoTruths(this.#parts)]
    if (problems.length > 0 || values === undefined || process === undefined) {
      return { problems, warnings: this.#findings.warnings }
    }
    const config = {
      sources: sources.map((make) => make(values, policies)),
      sinks: sinks.map((make) => make(values, policies)),
      routing: routingOf(values, conditions, policies),
      tests,
      eventIdScope: 'project' as const,
      ...processOf(process),
    }
    const exposure = exposureOfFile(this.#parts.path)
    if (exposure !== undefined) this.#warnings.push(`${this.#parts.path}: others may choose what it holds: ${exposure}`)
    const warnings = [...this.#findings.warnings, ...this.#warnings, ...unknownVariables(env, BESIDE_A_FILE)]
    return { config: freeze(config), warnings, remarks: this.#findings.remarks, quoted: this.#parts.quoted }
  }

  /** What the description makes of the file. */
  #values(): FileValues | undefined {
    const { asked, root, path } = this.#parts
    return valuesOf(fileDescription(asked, dirname(path)), root, this.#findings)
  }

  /** Settings that stay in the environment. */
  #process(): Understood | undefined {
    const { env, asked, surroundings } = this.#parts
    const names = settingsToAsk(asked).filter((name) => PROCESS_GROUPS.includes(SETTINGS[name].group))
    const read = understand(env, [...names, 'SLS_CONSUMER'], surroundings)
    if ('problems' in read) {
      this.#problems.push(...read.problems)
      return undefined
    }
    this.#warnings.push(...read.warnings)
    return read
  }

  #sources(consumer: string | undefined): Make<SourceConfig>[] {
    const { root, surroundings } = this.#parts
    const credentials = this.#credentials()
    return [...entriesOf(entriesOf(root).get('sources')?.value)].map(([name, { value }]) => {
      const section = sectionOf(value, SOURCE_KEYS)
      // Replicas share a file, and each has a name of its own.
      if (consumer !== undefined) section.values.SLS_CONSUMER ??= consumer
      checkSection(section, this.#place(['sources', name], pathsOf(SOURCE_KEYS)))
      const named = textOf(entriesOf(value).get('credentials')?.value)
      const own = named === undefined ? this.#environmentCredentials() : credentials.get(named)
      return ({ sources }, files) => ({
        ...sourceOf(name, section.values as Values, surroundings),
        credentials: own as CredentialsConfig,
        shape: stepsOf(files, sources.get(name)?.shape, sources.get(name)?.on_failure),
      })
    })
  }

  /** By their names. Sources that name the same ones share them. */
  #credentials(): Map<string, CredentialsConfig> {
    const { root } = this.#parts
    const found = new Map<string, CredentialsConfig>()
    for (const [name, { value }] of entriesOf(entriesOf(root).get('credentials')?.value)) {
      const type = textOf(entriesOf(value).get('type')?.value) ?? 'access_key'
      if (!isCredentialsType(type)) continue
      const asked = this.#parts.asked.includes('service')
      const section = this.#withOwnFiles(sectionOf(value, asked ? CREDENTIALS_KEYS[type] : {}))
      const at = ['credentials', name]
      if (asked) checkSection({ ...section, credentials: type }, this.#place(at, pathsOf(CREDENTIALS_KEYS[type])))
      this.#warnOfLiterals(value, at, CREDENTIALS_KEYS[type])
      found.set(name, credentialsConfig(type, section.values as Values, section.given, {}))
    }
    return found
  }

  /** Those of a source that names none. They are read once. */
  #environmentCredentials(): CredentialsConfig | undefined {
    if (this.#ofEnvironment === undefined) {
      const { env, asked, surroundings } = this.#parts
      const names = settingsToAsk(asked).filter((name) => CREDENTIALS_SETTINGS.includes(name))
      const read = understand(env, names, surroundings)
      if ('problems' in read) this.#problems.push(...read.problems)
      else this.#warnings.push(...read.warnings)
      const config = 'problems' in read ? undefined : credentialsConfig(read.credentials, read.values, read.given, env)
      this.#ofEnvironment = { config }
    }
    return this.#ofEnvironment.config
  }

  #sinks(maxInFlightBytes: number | undefined): Make<SinkConfig>[] {
    const { root, asked, path } = this.#parts
    return [...entriesOf(entriesOf(root).get('sinks')?.value)].map(([name, { value }]) => {
      const type = textOf(entriesOf(value).get('type')?.value)
      if (type !== 'splunk_hec' && type !== 'syslog') {
        return ({ sinks }) => fileSinkOf(name, sinks.get(name), dirname(path))
      }
      const at = ['sinks', name]
      const tls = entriesOf(value).get('tls')?.value
      const peers = asked.includes('collector')
      const [own, ofTls] = type === 'syslog' ? [SYSLOG_KEYS, SYSLOG_TLS_KEYS] : [HEC_KEYS, HEC_TLS_KEYS]
      const sections = [sectionOf(value, own), ...(peers ? [sectionOf(tls, ofTls)] : [])]
      const { values, given } = this.#withOwnFiles(joined(sections))
      if (!peers) Object.assign(values, NOT_ASKED[type])
      if (maxInFlightBytes !== undefined) values.MAX_IN_FLIGHT_BYTES = maxInFlightBytes
      const keys = new Map([...pathsOf(own), ...pathsOf(ofTls, ['tls'])])
      const pem = checkSection({ values, given }, this.#place(at, keys))
      this.#warnOfLiterals(value, at, own)
      const read = { values: values as Values, given, pem }
      return () => (type === 'syslog' ? syslogOf(name, read) : splunkHecOf(name, read))
    })
  }

  #place(at: KeyPath, keys: SectionPlace['keys']): SectionPlace {
    return { at, keys, findings: this.#findings, nowSeconds: this.#parts.surroundings.nowSeconds }
  }

  /** Relative paths start at the folder of the file. */
  #withOwnFiles(section: Section): { values: Partial<Values>; given: Section['given'] } {
    const values = { ...section.values }
    const given = new Map(section.given)
    for (const name of FILE_SETTINGS) {
      const found = given.get(name)
      if (found === undefined) continue
      const text = resolve(dirname(this.#parts.path), found.text)
      given.set(name, { ...found, text })
      Object.assign(values, { [name]: text })
    }
    return { values, given }
  }

  #warnOfLiterals(written: Written, at: KeyPath, keys: SettingKeys): void {
    for (const [key, name] of Object.entries(keys)) {
      const value = entriesOf(written).get(key)?.value
      const { secret }: Setting<unknown> = SETTINGS[name]
      if (!secret || value?.kind !== 'text' || textOf(value) === undefined || 'problem' in value.value) continue
      const { replaced } = value.value
      const byDefault = replaced.some(({ by, length }) => by === 'default' && length > 0)
      if (!byDefault && replaced.some(({ by }) => by === 'outside')) continue
      const literal = byDefault ? 'whose default stands in the file' : 'that stands in the file'
      this.#findings.warn([...at, key], `is a secret ${literal}: write \${NAME} or \${file:/path} instead`)
    }
  }
}

type Make<T> = (values: FileValues, files: StepFiles) => T

const BESIDE_A_FILE = /^(?:SPLUNK_SEARCH|BRIDGE)_/

/** Settings of sections whose value is the path of a file. */
const FILE_SETTINGS = [
  'SPLUNK_HEC_TLS_CA_FILE',
  'SPLUNK_HEC_TLS_CERT_FILE',
  'SPLUNK_HEC_TLS_KEY_FILE',
  'SYSLOG_TLS_CA_FILE',
  'SYSLOG_TLS_CERT_FILE',
  'SYSLOG_TLS_KEY_FILE',
  'ALIBABA_CLOUD_OIDC_TOKEN_FILE',
  'ALIBABA_CLOUD_CREDENTIALS_FILE',
] as const satisfies readonly SettingName[]

function joined(sections: readonly Section[]): Section {
  return {
    values: Object.assign({}, ...sections.map(({ values }) => values)),
    given: new Map(sections.flatMap(({ given }) => [...given])),
  }
}

type SinkValues = FileValues['sinks'] extends ReadonlyMap<string, infer S> ? S : never

function fileSinkOf(name: string, values: SinkValues | undefined, folder: string): SinkConfig {
  const { path, max_bytes, keep } = values as Extract<SinkValues, { readonly type: 'file' }>
  return { type: 'file', name, path: path === '-' ? path : resolve(folder, path), maxBytes: max_bytes, keep }
}

function routingOf(
  { routes, unmatched }: FileValues,
  conditions: ReadonlyMap<number, Condition>,
  files: StepFiles,
): Routing {
  const made = routes.map(
    ({ name, from, to, drop, set, shape, on_failure, continue: goesOn }, index): Route => ({
      name,
      ...present({ from, when: conditions.get(index), drop }),
      to: to ?? [],
      set: setOf(set),
      shape: stepsOf(files, shape, on_failure),
      continue: goesOn,
    }),
  )
  return { routes: made, unmatched: unmatched === 'error' || unmatched === 'drop' ? unmatched : { sink: unmatched } }
}

function setOf({ sourcetype, ...set }: FileValues['routes'][number]['set'] = {} as never): EnvelopeSet {
  return { ...present(set), ...present({ sourcetype: sourcetype?.text === 'auto' ? ('auto' as const) : sourcetype }) }
}
