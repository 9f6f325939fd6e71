import type { Config, RoutingTest, SourceConfig } from '../../config/model.ts'
import { differencesOf } from './differences.ts'
import { tryText } from './log.ts'
import { wayOf } from './way.ts'

/** A test of the configuration file that was run. */
export interface Tested {
  readonly test: RoutingTest
  /** Decisions about its log. */
  readonly way: readonly string[]
  /** Empty: it passed. */
  readonly differences: readonly string[]
}

/** Runs the tests of a configuration. Opens no connection. */
export function runTests(config: Config): Tested[] {
  return config.tests.map((test) => {
    const source = config.sources.find(({ name }) => name === test.source) as SourceConfig
    const trial = tryText(config, source, test.logstore ?? (source.logstores[0] as string), test.log)
    return { test, way: wayOf(trial), differences: differencesOf(test, trial) }
  })
}
