import { describe, expect, test } from 'vitest'
import type { HecFaultRule } from '../../src/emulator/hec/faults.ts'
import { Scenario } from '../support/scenario.ts'

/** The acceptance run is minutes: SECONDS=180 npx vitest run --project integration test/integration/hec-faults.test.ts */
const SECONDS = Number(process.env['SECONDS'] ?? 4)

const MIXTURE: HecFaultRule[] = [
  { id: 'busy', times: 0, probability: 0.06, action: { code: 9 } },
  { id: 'at capacity', times: 0, probability: 0.05, action: { code: 26 } },
  { id: 'proxy page', times: 0, probability: 0.05, action: { status: 502, body: '<html>Bad Gateway</html>' } },
  { id: 'reset', times: 0, probability: 0.05, action: { cut: 'before' } },
  { id: 'lost answer', times: 0, probability: 0.05, action: { cut: 'after' } },
  { id: 'hang', times: 0, probability: 0.02, action: { hang: true } },
]

describe('a HEC that fails in every way', () => {
  test.for([false, true])(
    'random mixture: nothing is missing, only refused events are dead-lettered (indexer ack: %s)',
    { timeout: 90_000 + SECONDS * 1_500 },
    async (ack) => {
      const scenario = await Scenario.start({
        sls: { shards: 4 },
        hec: { ack, ackDelayMs: 100, faults: MIXTURE },
        env: { SPLUNK_HEC_TIMEOUT_SECONDS: '2', SPLUNK_HEC_ACK_TIMEOUT_SECONDS: '4' },
      })
      scenario.hec.refuse({ contains: 'poison', code: 6 })
      const replicas = [scenario.replica(), scenario.replica()]
      const rounds = SECONDS * 4
      for (let poison = 1; poison <= rounds; poison++) {
        await scenario.write(15, { perSecond: 60, logsPerGroup: 10 })
        await scenario.writeLog({ message: `poison ${poison}` })
        if (ack && poison % 5 === 0) scenario.hec.forgetAcks()
      }
      scenario.hec.faults.clear()
      await scenario.caughtUp(60_000)
      for (const replica of replicas) expect((await replica.kill('SIGTERM')).code).toBe(0)
      const { missing, ...tally } = scenario.tally()
      console.log(`ack ${ack}: ${JSON.stringify({ ...tally, missing: missing.length })}`)
      expect(missing).toEqual([])
      expect(tally.deadLettered).toBe(rounds)
      expect(scenario.commitsAhead()).toEqual([])
    },
  )
})

describe('a HEC that refuses for a while', () => {
  test('a disabled token: no checkpoint moves, nothing is dead-lettered, work resumes by itself', async () => {
    const scenario = await Scenario.start({ sls: { shards: 2 } })
    await scenario.write(20)
    const replica = scenario.replica()
    await scenario.caughtUp()
    const committed = scenario.sls.commits.length
    scenario.hec.setToken({ disabled: true })
    await scenario.write(20)
    await replica.line(/^paused/)
    expect(await replica.ready()).toMatchObject({ status: 503, text: expect.stringMatching(/token/i) })
    expect(await replica.metrics()).toMatch(/^sls_bridge_paused\{reason="hec_configuration",sink="splunk_hec"\} 1$/m)
    expect(scenario.sls.commits.length).toBe(committed)
    scenario.hec.setToken({ disabled: false })
    await scenario.caughtUp(30_000)
    expect((await replica.ready()).status).toBe(200)
    expect(scenario.tally()).toEqual({ wanted: 800, delivered: 800, deadLettered: 0, duplicated: 0, missing: [] })
  })

  test('a login page with status 200 is no delivery: the replica pauses, and the log shows the first bytes', async () => {
    const page = '<html><title>Please sign in</title></html>'
    const scenario = await Scenario.start({
      sls: { shards: 1 },
      hec: {
        faults: [
          { id: 'login', times: 0, action: { status: 200, headers: { 'content-type': 'text/html' }, body: page } },
        ],
      },
    })
    await scenario.write(5)
    const replica = scenario.replica()
    const line = await replica.line(/Please sign in/)
    expect(line.level).toBe('error')
    expect(scenario.sls.commits).toEqual([])
    scenario.hec.faults.clear()
    await scenario.caughtUp(30_000)
    expect(scenario.tally()).toMatchObject({ delivered: 100, duplicated: 0, missing: [] })
  })
})
