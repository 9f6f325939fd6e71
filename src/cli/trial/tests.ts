import type { Config, RoutingTest, SourceConfig } from '../../config/model.ts'
import { programOf } from '../../parts.ts'
import type { Trial } from '../../pipeline/reference/trial.ts'
import { tryLog } from '../../pipeline/reference/trial.ts'
import type { FastEvent } from '../../pipeline/wasm/trial.ts'
import { openFastTrial } from '../../pipeline/wasm/trial.ts'
import { differencesOf } from './differences.ts'
import { pulledOf } from './log.ts'
import { wayOf } from './way.ts'

/** A test of the configuration file that was run. */
export interface Tested {
  readonly test: RoutingTest
  /** Decisions about its log. */
  readonly way: readonly string[]
  /** Empty: it passed. */
  readonly differences: readonly string[]
}

/** Runs the tests of a configuration, on both engines. Opens no connection. */
export function runTests(config: Config): Tested[] {
  if (config.tests.length === 0) return []
  const fast = openFastTrial()
  return config.tests.map((test) => {
    const source = config.sources.find(({ name }) => name === test.source) as SourceConfig
    const logstore = test.logstore ?? (source.logstores[0] as string)
    const { at, body } = pulledOf(source, logstore, test.log)
    const program = programOf(config, source, logstore)
    const trial = tryLog(program, at, body)
    const differences = [...differencesOf(test, trial), ...engineDifferences(trial, fast?.(program, at, body))]
    return { test, way: wayOf(trial), differences }
  })
}

/** The events that only one engine writes. A person can do nothing about them but report them. */
export function engineDifferences({ copies }: Pick<Trial, 'copies'>, fast: readonly FastEvent[] | undefined): string[] {
  if (fast === undefined) return []
  const text = ({ sink, event }: { sink: string; event: string | Buffer }): string => `${sink}: ${event}`.trimEnd()
  const expected = copies.map(text).sort()
  const found = fast.map(text).sort()
  if (expected.join('\n') === found.join('\n')) return []
  return [`the fast engine differs, which is a bug of sls-siem-bridge: please report it (${expected} ≠ ${found})`]
}
