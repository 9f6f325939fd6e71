import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Fault } from '../../../../src/core/errors.ts'
import { fastClock } from '../delivery-double.ts'
import { envelopes, idsIn, many, receiver, syslogTo } from './syslog-bench.ts'

const idsOf = (from: number, count: number) => Array.from({ length: count }, (_, i) => `audit:3:170:${from + i}`)
const distinct = (ids: readonly string[]) => [...new Set(ids)].sort()
const pem = (name: string) => readFileSync(new URL(`../tls/${name}`, import.meta.url), 'utf8')

/** A server of which the test writes each byte. */
async function bare(serve: (socket: Socket, seen: () => string) => void): Promise<string> {
  const server = createServer((socket) => {
    let text = ''
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      text += bytes.toString()
      serve(socket, () => text)
    })
    onTestFinished(() => void socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `relp://127.0.0.1:${(server.address() as { port: number }).port}`
}

const OPENED =
  '1 rsp 93 200 OK\nrelp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog\n'

describe('RELP', () => {
  test('opens a session, and sends each message with its number and its length in bytes', async () => {
    let all = ''
    const url = await bare((socket, seen) => {
      all = seen()
      if (/^1 open \d+ [\s\S]*commands=syslog\n\n$/.test(all)) {
        // An answer may come in parts.
        for (const byte of OPENED) socket.write(byte)
      }
      if (all.endsWith('张"}\n')) socket.write('2 rsp 6 200 OK\n')
    })
    const { deliver, recorder } = await syslogTo([url])
    await deliver(envelopes([{ id: 'a', event: { user: '张' } }]))
    const message = /^1 open \d+ [\s\S]*\n2 syslog (\d+) (<14>1 [\s\S]*"张"\})\n$/.exec(all)
    expect(Buffer.byteLength(message?.[2] ?? '')).toBe(Number(message?.[1]))
    expect(recorder.sum('delivered')).toBe(1)
  })

  test('a batch is delivered when each message is answered, and the session goes on', async () => {
    const collector = await receiver({ transport: 'relp' })
    const { deliver, recorder } = await syslogTo([collector.url])
    await deliver(many(5_000))
    await deliver(many(10, 5_000))
    expect(idsIn(collector)).toEqual(idsOf(0, 5_010))
    expect(recorder.sum('delivered')).toBe(5_010)
    expect(collector.connections.total).toBe(1)
  })

  test('no more than 2000 messages, and what is being framed, wait for their answers', async () => {
    let sent = 0
    const full = Promise.withResolvers<void>()
    const url = await bare((socket, seen) => {
      if (seen().endsWith('commands=syslog\n\n')) socket.write(OPENED)
      sent = seen().split(' syslog ').length - 1
      if (sent >= 2_000) full.resolve()
    })
    const { deliver, lease } = await syslogTo([url])
    const delivery = deliver(many(10_000))
    await full.promise
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(sent).toBeLessThan(2_500)
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
  })

  test.each(['fin', 'reset'] as const)(
    'after a %s only messages without an answer are sent again, and their numbers start at 1 again',
    async (does) => {
      const collector = await receiver({ transport: 'relp', faults: [{ does, afterMessages: 300, delayMs: 50 }] })
      const { deliver, recorder } = await syslogTo([collector.url])
      await deliver(many(1_000))
      expect(distinct(idsIn(collector))).toEqual(idsOf(0, 1_000).sort())
      expect(collector.messages.length).toBeLessThanOrEqual(1_001)
      expect(recorder.sum('delivered')).toBe(1_000)
      expect(recorder.faults('deliveryFailed')[0]).toMatchObject({ kind: 'ambiguous' })
    },
  )

  test('serverclose ends the session, and the rest goes to another', async () => {
    const url = await bare((socket, seen) => {
      if (seen().endsWith('commands=syslog\n\n')) socket.write(OPENED)
      else if (seen().includes('2 syslog ')) socket.write('2 rsp 6 200 OK\n0 serverclose 0\n')
    })
    const { deliver, recorder } = await syslogTo([url], { clock: fastClock(20) })
    await deliver(many(2))
    expect(recorder.sum('delivered')).toBe(2)
    expect(recorder.faults('deliveryFailed')[0]).toMatchObject({ kind: 'ambiguous', code: 'syslog_early' })
  })

  test('a message that is refused three times is a dead letter with the code of the answer', async () => {
    const collector = await receiver({ transport: 'relp', faults: [{ does: 'refuse', at: /"bad"/, times: 0 }] })
    const { deliver, letters, recorder } = await syslogTo([collector.url], { clock: fastClock(20) })
    await deliver(envelopes(idsOf(0, 50).map((id, n) => ({ id, event: { n, text: n === 7 ? 'bad' : 'good' } }))))
    expect(await letters()).toMatchObject([
      { reason: { code: '500', text: 'refused: not taken', status: null }, origin: { event_id: 'audit:3:170:7' } },
    ])
    expect(idsIn(collector)).toEqual(idsOf(0, 50).filter((_, n) => n !== 7))
    expect(recorder.sum('delivered')).toBe(49)
  })

  test('a collector that refuses everything pauses the sink, with ten dead letters at most', async () => {
    const collector = await receiver({ transport: 'relp', faults: [{ does: 'refuse', times: 0 }] })
    const { deliver, letters, recorder, lease } = await syslogTo([collector.url], { clock: fastClock(50) })
    const delivery = deliver(many(30))
    const { args } = await recorder.first('paused')
    expect(args[0]).toMatchObject({ reason: 'syslog_configuration' })
    expect((args[1] as Fault).message).toContain('500 not taken')
    expect((await letters()).length).toBeLessThanOrEqual(10)
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
  })

  test('one connection refuses everything, as a bad node behind an address does: the others take it, and nothing is given up', async () => {
    const collector = await receiver({ transport: 'relp', faults: [{ does: 'refuse', times: 1 }] })
    const { deliver, letters, recorder } = await syslogTo([collector.url], { clock: fastClock(20), connections: 1 })
    await Promise.all([0, 1, 2].map((batch) => deliver(many(20, 20 * batch))))
    expect(await letters()).toEqual([])
    expect(distinct(idsIn(collector))).toHaveLength(60)
    expect(recorder.of('notice').map(({ args }) => String(args[1]))).toEqual([expect.stringContaining('bad node')])
  })

  test('a balancer leads every second connection to a node that refuses everything: two in a row are tried', async () => {
    const inTurn = [
      { does: 'refuse', times: 1 },
      { does: 'late', times: 1 },
    ] as const
    const collector = await receiver({ transport: 'relp', faults: Array.from({ length: 40 }, () => inTurn).flat() })
    const { deliver, letters, recorder } = await syslogTo([collector.url], { clock: fastClock(20), connections: 1 })
    await deliver(many(20))
    expect(await letters()).toEqual([])
    expect(distinct(idsIn(collector))).toHaveLength(20)
    expect(recorder.of('paused')).toEqual([])
  })

  test('one of two collectors refuses everything: it pauses alone, and nothing is given up', async () => {
    const bad = await receiver({ transport: 'relp', faults: [{ does: 'refuse', times: 0 }] })
    const good = await receiver({ transport: 'relp' })
    const { deliver, letters, recorder } = await syslogTo([bad.url, good.url], { clock: fastClock(20) })
    await Promise.all([...Array(8).keys()].map((batch) => deliver(many(20, 20 * batch))))
    expect(await letters()).toEqual([])
    expect(distinct(idsIn(good))).toHaveLength(160)
    const named = recorder.of('endpoint').filter(({ args }) => args[2] !== undefined)
    expect(new Set(named.map(({ args }) => args[1]))).toEqual(new Set([bad.url]))
    expect(recorder.of('paused')).toEqual([])
  })

  test('a frame that ends the session is found, and its neighbours are delivered', async () => {
    const collector = await receiver({ transport: 'relp', faults: [{ does: 'reset', at: /poison/, times: 0 }] })
    const { deliver, letters } = await syslogTo([collector.url], { clock: fastClock(20) })
    await deliver(envelopes(idsOf(0, 40).map((id, n) => ({ id, event: { n, text: n === 9 ? 'poison' : 'good' } }))))
    expect(await letters()).toMatchObject([{ reason: { code: 'syslog_reset' }, origin: { event_id: 'audit:3:170:9' } }])
    expect(distinct(idsIn(collector))).toEqual(
      idsOf(0, 40)
        .filter((_, n) => n !== 9)
        .sort(),
    )
  })

  test('a collector that answers nothing is given up after 90 s, and what waits is sent again', async () => {
    const collector = await receiver({ transport: 'relp', faults: [{ does: 'deaf' }] })
    const { deliver, recorder } = await syslogTo([collector.url], { clock: fastClock(500) })
    await deliver(many(5))
    expect(recorder.faults('deliveryFailed')[0]).toMatchObject({ code: 'syslog_timeout', kind: 'ambiguous' })
    expect(idsIn(collector)).toEqual([...idsOf(0, 5), ...idsOf(0, 5)])
  })

  test('a collector that answers nothing is told of before it is given up', async () => {
    const collector = await receiver({ transport: 'relp', faults: [{ does: 'deaf' }] })
    const { deliver, recorder } = await syslogTo([collector.url], { clock: fastClock(100) })
    const delivery = deliver(many(5))
    const { args } = await recorder.first('deliveryWaits', ({ args: [, , seconds] }) => Number(seconds) > 30)
    expect(args).toEqual(['syslog', expect.objectContaining({ code: 'no_answer_yet' }), expect.any(Number)])
    expect((args[1] as Fault).message).toContain(collector.url)
    expect(recorder.of('deliveryFailed')).toEqual([])
    await delivery
  })

  test('a collector that reads nothing is given up after 30 s, and what waits is sent again', async () => {
    const collector = await receiver({ transport: 'relp', faults: [{ does: 'stop', afterMessages: 1 }] })
    const { deliver, recorder } = await syslogTo([collector.url], { clock: fastClock(60) })
    await deliver(envelopes(idsOf(0, 500).map((id) => ({ id, event: { pad: 'x'.repeat(6_000) } }))))
    expect(distinct(idsIn(collector))).toEqual(idsOf(0, 500).sort())
    expect(recorder.faults('deliveryFailed')[0]?.message).toContain('has taken nothing for 30 s')
  })

  test.each([
    ['takes no messages', '1 rsp 22 200 OK\ncommands=starttls\n'],
    ['refuses the session', '1 rsp 11 500 no open\n'],
  ])('a collector that %s pauses the sink', async (_, answer) => {
    const [head = '', ...rest] = answer.split(/(?<=rsp )\d+ /)
    const data = rest.join('').slice(0, -1)
    const url = await bare((socket) => socket.write(`${head}${data.length} ${data}\n`))
    const { deliver, recorder, lease } = await syslogTo([url])
    const delivery = deliver(many(1))
    const { args } = await recorder.first('paused')
    expect(args[0]).toMatchObject({ reason: 'syslog_configuration' })
    expect((args[1] as Fault).advice).toContain('relp+tls://')
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
  })

  test('over TLS is the same', async () => {
    const tls = { verify: true, ca: pem('ca.pem'), serverName: 'SplunkServerDefaultCert' }
    const collector = await receiver({ transport: 'relp', tls: { cert: pem('server.pem'), key: pem('server.key') } })
    expect(collector.url).toMatch(/^relp\+tls:/)
    const { deliver } = await syslogTo([collector.url], { tls })
    await deliver(many(100))
    expect(idsIn(collector)).toEqual(idsOf(0, 100))
  })

  test('nothing leaves when the lease is over by the clock', async () => {
    const collector = await receiver({ transport: 'relp' })
    const { deliver, lease } = await syslogTo([collector.url])
    lease.overdue = true
    await expect(deliver(many(3))).rejects.toMatchObject({ kind: 'lease' })
    expect(collector.messages).toEqual([])
  })
})
