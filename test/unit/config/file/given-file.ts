import { join } from 'node:path'
import { loadConfigFile } from '../../../../src/config/file/load.ts'
import type { Config } from '../../../../src/config/model.ts'
import type { Problem } from '../../../../src/config/problems.ts'
import type { Peer } from '../../../../src/config/setting.ts'
import { temporaryFiles } from '../given-environment.ts'

const surroundings = { hostname: 'host-1', pid: 42, nowSeconds: 1_780_000_000 }

/** Keys for the sources that name no credentials. */
const KEYS = { SLS_AK_ID: 'an-id', SLS_AK_KEY: 'a-key' }

export const SOURCE = '{endpoint: cn-hangzhou.log.aliyuncs.com, project: audit-hz, logstore: actiontrail, group: siem}'
const SINK = '{type: splunk_hec, url: "https://splunk.example.com:8088", token: "${TOKEN}"}'

/** A short file that works, with these sections in place of its own. */
export function fileOf(sections: Readonly<Record<string, string>> = {}): string {
  const all = {
    version: '1',
    sources: `{trail: ${SOURCE}}`,
    sinks: `{splunk: ${SINK}}`,
    routes: '[{name: all, to: splunk}]',
    ...sections,
  }
  return Object.entries(all)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('')
}

interface Options {
  readonly env?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string | Buffer>>
  readonly asked?: readonly Peer[]
}

function loaded(text: string | Buffer, { env = {}, files = {}, asked }: Options = {}) {
  const { directory, write } = temporaryFiles()
  for (const [name, content] of Object.entries(files)) write(name, content)
  const path = write('bridge.yaml', text)
  const result = loadConfigFile(path, { ...KEYS, TOKEN: 'a-token', ...env }, surroundings, asked)
  return { result, directory, path }
}

export function accepted(
  text: string,
  options?: Options,
): { config: Config; warnings: string[]; remarks: string[]; directory: string } {
  const { result, directory } = loaded(text, options)
  if ('problems' in result) throw new Error(`refused: ${JSON.stringify(result.problems, null, 1)}`)
  const within = (warning: string) => warning.replaceAll(join(directory, 'bridge.yaml'), 'bridge.yaml')
  return { ...result, warnings: result.warnings.map(within), remarks: result.remarks.map(within), directory }
}

export function refused(text: string | Buffer, options?: Options): Problem[] {
  const { result } = loaded(text, options)
  if ('config' in result) throw new Error('accepted')
  return result.problems
}

/** `line:column key: problem` of each problem of the file. */
export function told(text: string, options?: Options): string[] {
  return refused(text, options).map(({ place, variable, problem }) => {
    const at = place?.replace(/^.*bridge\.yaml:/, '') ?? 'environment'
    return `${at} ${variable}: ${problem}`
  })
}
