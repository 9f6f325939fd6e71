/**
 * Measures costs as ratios that hold on other machines: `npm run bench [-- --only PART,… --rounds N --keep]`. Rivals take part if
 * bench/install.sh has installed them. docs/performance.md says how to read the results.
 */
import { parseArgs } from 'node:util'
import { endToEnd, moreReplicas, routed, syslog } from './end-to-end/end-to-end.ts'
import { latency } from './latency/latency.ts'
import { memory } from './memory/memory.ts'
import { micro } from './micro/micro.ts'
import type { Report } from './report.ts'
import { keep, machine, print } from './report.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    'cpu-seconds': { type: 'string', default: '5' },
    keep: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const options = { rounds, cpuSeconds: Number(values['cpu-seconds']) }

const PARTS: Record<string, () => AsyncGenerator<Report>> = {
  micro: () => micro(10 * rounds + 1),
  'end-to-end': () => endToEnd(options),
  routes: () => routed(options),
  syslog: () => syslog(options),
  replicas: () => moreReplicas(options),
  memory,
  latency,
}
const chosen = values.only?.split(',') ?? Object.keys(PARTS)
const unknown = chosen.filter((part) => !(part in PARTS))
if (unknown.length > 0) {
  console.error(`--only takes ${Object.keys(PARTS).join(', ')}, not ${unknown.join(', ')}`)
  process.exit(2)
}

console.log(machine())
const reports: Report[] = []
for (const part of chosen) {
  for await (const report of PARTS[part]?.() ?? []) {
    print(report)
    reports.push(report)
  }
}
if (values.keep) keep(reports)
process.exit()
