import { runScenario } from './scenario.ts'
const [shards, replicas, fetch] = process.argv.slice(2).map(Number)
const r = await runScenario({ shards: shards!, replicas: replicas!, seed: 1, heartbeatSeconds: 20, fetchSeconds: fetch ?? 1, writeSeconds: 10 })
console.table(r.events); console.table(r.steady); console.log(r.violations.slice(0, 10), r.violations.length, r.simulatedSeconds, r.realSeconds)
