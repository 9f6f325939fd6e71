import { describe, expect, test } from 'vitest'
import { Fault } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'
import { PauseGate } from '../../../src/sinks/pause-gate.ts'
import { batchOf, fastClock, LeaseDouble, names, Recorder, sinkTo } from './delivery-double.ts'
import type { Reaction } from './hec-double.ts'
import { html, json, refuse, startHec } from './hec-double.ts'

const KEY = { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } }

describe('a configuration fault pauses the sink, keeps everything, and work resumes by itself', () => {
  test.each<[string, Reaction, string]>([
    ...[
      [403, 1],
      [401, 2],
      [401, 3],
      [403, 4],
      [400, 10],
      [400, 11],
      [400, 14],
      [400, 16],
      [400, 21],
      [400, 22],
      [400, 28],
    ].map(
      ([status, code]) =>
        [`code ${code}`, (_, response) => json(response, status as number, { text: 'no', code }), String(code)] as [
          string,
          Reaction,
          string,
        ],
    ),
    ['a login page', (_, response) => html(response, 200), 'http_200'],
    ['200 without a known code', (_, response) => json(response, 200, { text: 'healthy', code: 17 }), 'http_200'],
    ['200 with a code that is text', (_, response) => json(response, 200, { text: 'Success', code: '0' }), 'http_200'],
    ['204', (_, response) => response.writeHead(204).end(), 'http_204'],
    ['a redirect', (_, response) => html(response, 302, { location: '/elsewhere' }), 'http_302'],
    ['a redirect that keeps the method', (_, response) => html(response, 307, { location: '/x' }), 'http_307'],
    ['404', (_, response) => json(response, 404, { text: 'not found', code: 404 }), 'http_404'],
    ['405', (_, response) => html(response, 405), 'http_405'],
    ['a firewall', (_, response) => html(response, 403), 'http_403'],
    ['418', (_, response) => html(response, 418), 'http_418'],
  ])('%s', async (_, reaction, code) => {
    const hec = await startHec()
    hec.script.push(reaction)
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 100 })
    await deliver(batchOf(names(3)))
    expect(recorder.of('paused').map(({ args }) => args[0])).toEqual([KEY])
    expect(recorder.faults('paused')[0]).toMatchObject({ kind: 'configuration', code })
    expect(recorder.of('resumed').map(({ args }) => args[0])).toEqual([KEY])
    expect(hec.indexed).toEqual(names(3))
    expect(await buried()).toEqual([])
    expect(recorder.sum('deadLettered')).toBe(0)
  })

  test.each<[string, Reaction]>([
    ['an empty 204', (_, response) => response.writeHead(204).end()],
    ['an empty 200', (_, response) => response.writeHead(200).end()],
    ['202 of a gateway', (_, response) => json(response, 202, { message: 'queued' })],
  ])('%s is no delivery, and what may have arrived is counted', async (_, reaction) => {
    const hec = await startHec()
    hec.script.push(reaction)
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 100 })
    await deliver(batchOf(names(3)))
    expect(recorder.of('paused')).toHaveLength(1)
    expect(recorder.of('outcomeUnknown')).toHaveLength(1)
    expect(recorder.sum('resent', 'ambiguous')).toBe(3)
    expect(hec.indexed).toEqual(names(3))
  })

  test('a foreign page is quoted in the fault, and never taken for delivery', async () => {
    const hec = await startHec()
    hec.script.push((_, response) => html(response, 200))
    const { deliver, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(names(1)))
    expect(recorder.faults('paused')[0]?.message).toContain('<html><body>Sign in</body></html>')
    expect(recorder.faults('paused')[0]?.advice).toContain('SPLUNK_HEC_URL')
    expect(recorder.sum('delivered')).toBe(1)
    expect(hec.posts).toHaveLength(2)
  })

  test('a wrong index: paused until it is allowed, and nothing is dead-lettered', async () => {
    const hec = await startHec()
    hec.script.push(refuse(400, 7, 0, 1), refuse(400, 7, 0, 1))
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 50 })
    await deliver(batchOf(names(6)))
    expect(hec.indexed.toSorted()).toEqual(names(6))
    expect(await buried()).toEqual([])
    expect(recorder.of('paused')).toHaveLength(1)
    expect(recorder.of('resumed')).toHaveLength(1)
    expect(recorder.faults('paused')[0]?.advice).toContain('SPLUNK_HEC_INDEX')
  })

  test('a wrong index that claims to have taken events of the same index is not believed', async () => {
    const hec = await startHec()
    // Says 6 of 6, which would mean that five are in; none is.
    hec.script.push(refuse(400, 7, 0, 6))
    const { deliver } = await sinkTo([hec.url], { speed: 50 })
    await deliver(batchOf(names(6)))
    expect(hec.indexed.toSorted()).toEqual(names(6))
  })

  test.each([[0], [7], ['1'], [undefined]])(
    'a wrong index with number %j: nothing is assumed indexed',
    async (number) => {
      const hec = await startHec()
      hec.script.push(refuse(400, 7, 0, number))
      const { deliver } = await sinkTo([hec.url], { speed: 50 })
      await deliver(batchOf(names(6)))
      expect(hec.indexed.toSorted()).toEqual(names(6))
    },
  )

  test('all deliveries wait; probes ingest nothing; each lets one leader go, and only its success the others', async () => {
    const hec = await startHec()
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 100, concurrency: 8 })
    const disabled = { text: 'Token disabled', code: 1 }
    hec.rule = (_, response) => json(response, 403, disabled)
    const deliveries = [deliver(batchOf(names(2, 'a'))), deliver(batchOf(names(2, 'b')))]
    await recorder.first('paused')
    hec.outage = (_, response) => json(response, 403, disabled)
    deliveries.push(deliver(batchOf(names(2, 'c'))))
    const asked = hec.probes.length
    await hec.until(() => hec.probes.length >= asked + 5)
    const posted = hec.posts.length
    expect(posted).toBeLessThanOrEqual(3) // those that were under way when it closed

    hec.outage = undefined // the probe passes, posts are still refused
    await hec.posted(posted + 3)
    expect(recorder.of('resumed')).toEqual([])
    const leaders = hec.posts.slice(posted)
    for (const [i, { atMs }] of leaders.entries()) {
      const before = leaders[i - 1]?.atMs
      if (before === undefined) continue
      expect(hec.probes.some((probe) => probe.atMs > before && probe.atMs < atMs)).toBe(true)
    }
    expect(hec.indexed).toEqual([])

    hec.rule = undefined
    await Promise.all(deliveries)
    expect(hec.indexed.toSorted()).toEqual([...names(2, 'a'), ...names(2, 'b'), ...names(2, 'c')].toSorted())
    expect(recorder.of('resumed')).toHaveLength(1)
  })

  test.each<[string, Reaction]>([
    ['transient', (_, response) => json(response, 503, { text: 'Server is busy', code: 9 })],
    ['ambiguous', (_, response) => json(response, 500, { text: 'Internal server error', code: 8 })],
  ])('a leader that meets a fault that is %s lets no other follow', async (_, fault) => {
    const hec = await startHec()
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 50 })
    hec.rule = (_, response) => json(response, 403, { text: 'Token disabled', code: 1 })
    const deliveries = ['a', 'b', 'c'].map((id) => deliver(batchOf([id])))
    await recorder.first('paused')
    await hec.until(() => hec.probes.length >= 2)
    hec.rule = fault
    await recorder.times(3, 'deliveryFailed')
    expect(recorder.of('resumed')).toEqual([])
    hec.rule = undefined
    await Promise.all(deliveries)
    expect(recorder.of('resumed')).toHaveLength(1)
    expect(hec.indexed.toSorted()).toEqual(['a', 'b', 'c'])
  })

  test('a delivery that already waits for a slot when the sink pauses is not sent either', async () => {
    const hec = await startHec()
    const { deliver, recorder } = await sinkTo([hec.url], { concurrency: 1, speed: 20 })
    const disabled = { text: 'Token disabled', code: 1 }
    let refuseNow = (): void => {}
    hec.script.push((_, response) => {
      refuseNow = () => void json(response, 403, disabled)
      return true
    })
    const first = deliver(batchOf(['a']))
    await hec.posted(1)
    const others = [deliver(batchOf(['b'])), deliver(batchOf(['c']))]
    let sent = 0
    hec.outage = (request, response) => {
      if (request.url?.endsWith('/event') && request.headers['content-length'] !== '0') sent++
      return json(response, 403, disabled)
    }
    hec.rule = (_, response) => json(response, 403, disabled)
    refuseNow()
    await recorder.first('paused')
    await hec.until(() => hec.probes.length >= 3)
    expect(sent).toBe(0)
    hec.outage = undefined
    hec.rule = undefined
    await Promise.all([first, ...others])
    expect(hec.indexed.toSorted()).toEqual(['a', 'b', 'c'])
  })

  test('a lease that ends leaves the gate, and another takes the lead', async () => {
    const hec = await startHec()
    hec.rule = (_, response) => json(response, 403, { text: 'Token disabled', code: 1 })
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 20 })
    const lease = new LeaseDouble()
    const given = deliver(batchOf(['a']), lease)
    await recorder.first('paused')
    const other = deliver(batchOf(['b']))
    lease.lose()
    await expect(given).rejects.toMatchObject({ kind: 'lease' })
    hec.rule = undefined
    await other
    expect(hec.indexed).toEqual(['b'])
  })

  test('a token that is wrong from the start is found by the probe, before anything is sent', async () => {
    const hec = await startHec()
    hec.outage = (_, response) => json(response, 403, { text: 'Invalid token', code: 4 })
    const { deliver, recorder } = await sinkTo([hec.url], { token: new Secret('wrong'), speed: 50 })
    const delivery = deliver(batchOf(names(1)))
    await recorder.first('paused')
    expect(hec.posts).toEqual([])
    hec.outage = undefined
    await delivery
    expect(hec.indexed).toEqual(names(1))
  })
})

describe('the gate', () => {
  const fault = new Fault('configuration', 'no', { code: '4' })

  function gateWith(probe?: () => Promise<Fault | undefined>) {
    const recorder = new Recorder()
    const clock = fastClock(100)
    const key = { reason: 'dead_letter', scope: { of: 'sink', sink: 'splunk_hec' } } as const
    return { recorder, gate: new PauseGate({ key, clock, telemetry: recorder.telemetry, ...(probe && { probe }) }) }
  }

  test('opens when the probe passes and no task waits', async () => {
    const { gate, recorder } = gateWith(async () => undefined)
    gate.trip(fault)
    await recorder.first('resumed')
    await gate.through(new AbortController().signal, async (pass) => pass.check())
  })

  test('probes come at most 15 s apart, however long it lasts, the first within a second', async () => {
    const recorder = new Recorder()
    const pauses: number[] = []
    const clock = { ...fastClock(1), sleep: async (ms: number) => void pauses.push(ms) }
    const probe = async () => (pauses.length < 200 ? fault : undefined)
    const key = { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } } as const
    new PauseGate({ key, clock, telemetry: recorder.telemetry, probe }).trip(fault)
    await recorder.first('resumed')
    expect(pauses[0]).toBeLessThanOrEqual(1_000)
    expect(pauses[0]).toBeGreaterThan(100)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(15_000)
    expect(new Set(pauses).size).toBeGreaterThan(100) // jitter
    expect(recorder.of('paused')).toHaveLength(1)
  })

  test('a task that only waits for it never leads', async () => {
    const { gate, recorder } = gateWith()
    const signal = new AbortController().signal
    let runs = 0
    const writer = gate.through(signal, async () => {
      if (++runs < 3) throw fault
    })
    await recorder.first('paused')
    let opened = false
    const waiting = gate.opened(signal).then(() => {
      opened = true
    })
    expect(opened).toBe(false)
    await writer
    await waiting
    expect(runs).toBe(3)
    expect(recorder.of('resumed')).toHaveLength(1)
  })

  test('a task that is inside when it closes learns it from its pass, and runs again', async () => {
    const { gate } = gateWith(async () => undefined)
    const signal = new AbortController().signal
    let runs = 0
    await gate.through(signal, async (pass) => {
      if (++runs === 1) gate.trip(fault)
      pass.check()
    })
    expect(runs).toBe(2)
  })
})
