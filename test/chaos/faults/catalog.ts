import { ENDPOINT_FAULTS } from './endpoints.ts'
import type { Fault } from './fault.ts'
import { HEC_FAULTS } from './hec.ts'
import { NETWORK_FAULTS } from './network.ts'
import { OUTPUT_FAULTS } from './output.ts'
import { PROCESS_FAULTS } from './process.ts'
import { REFUSAL_FAULTS } from './refusals.ts'
import { SLS_FAULTS } from './sls.ts'
import { SYSLOG_FAULTS } from './syslog.ts'

/** Everything that can be done to a world with HEC, in a fixed order: a seed names the same faults everywhere. */
export const CATALOG: readonly Fault[] = [
  ...[...PROCESS_FAULTS, ...NETWORK_FAULTS, ...SLS_FAULTS, ...HEC_FAULTS],
  ...[...REFUSAL_FAULTS, ...ENDPOINT_FAULTS, ...OUTPUT_FAULTS],
]

/** The same of a world with a syslog collector. */
export const SYSLOG_CATALOG: readonly Fault[] = [
  ...[...PROCESS_FAULTS, ...NETWORK_FAULTS, ...SLS_FAULTS, ...OUTPUT_FAULTS, ...SYSLOG_FAULTS],
]

export function faultNamed(name: string): Fault {
  const fault = CATALOG.find((each) => each.name === name)
  if (!fault) throw new Error(`there is no fault "${name}"; there are:\n${CATALOG.map((each) => each.name).join('\n')}`)
  return fault
}
