import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { Fault } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'
import { batchOf, lettersIn, names, sinkTo } from './delivery-double.ts'
import { answer, html, json, refuse, startHec } from './hec-double.ts'

const SUCCESS = '{"text":"Success","code":0}'

describe('an answer that does not end', () => {
  test.each([
    ['begins with success', 200, SUCCESS],
    ['begins with success, and shows the token', 200, '{"text":"s3cret-token","code":0}'],
  ])('is no delivery, though it %s', async (_, status, beginning) => {
    const hec = await startHec()
    hec.script.push((__, response) => {
      response.writeHead(status)
      response.write(beginning)
      const more = (): unknown => !response.destroyed && response.write(' '.repeat(65_536), () => setImmediate(more))
      more()
      return true
    })
    const { deliver, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(names(3)))
    expect(hec.indexed).toEqual(names(3))
    expect(recorder.faults('paused').map(({ code }) => code)).toEqual(['http_200'])
  })

  test('is not waited for when its status says enough', async () => {
    const hec = await startHec()
    hec.script.push((__, response) => {
      response.writeHead(503)
      const more = (): unknown => !response.destroyed && response.write('x'.repeat(65_536), () => setImmediate(more))
      more()
      return true
    })
    const { deliver, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(names(3)))
    expect(recorder.faults('deliveryFailed').map(({ code }) => code)).toEqual(['http_503'])
    expect(recorder.of('outcomeUnknown')).toEqual([])
  })
})

test('an answer that is not HTTP pauses the sink, and its events are counted as sent again', async () => {
  const hec = await startHec()
  hec.script.push((post, response) => {
    hec.accept(post)
    response.socket?.end(`HTTP/1.1 200 OK\r\nX-Node: a\0b\r\nContent-Length: 27\r\n\r\n${SUCCESS}`)
    return true
  })
  const { deliver, recorder } = await sinkTo([hec.url])
  await deliver(batchOf(names(3)))
  expect(recorder.of('paused')).toHaveLength(1)
  expect(recorder.of('outcomeUnknown')).toHaveLength(1)
  expect(recorder.sum('resent', 'ambiguous')).toBe(3)
  expect(hec.indexed).toHaveLength(6)
})

test('so does an answer that cannot be decompressed', async () => {
  const hec = await startHec()
  hec.script.push((post, response) => {
    hec.accept(post)
    response.writeHead(200, { 'content-encoding': 'gzip' }).end('cut off')
    return true
  })
  const { deliver, recorder } = await sinkTo([hec.url])
  await deliver(batchOf(names(3)))
  expect(recorder.faults('paused').map(({ code }) => code)).toEqual(['content_encoding'])
  expect(recorder.of('outcomeUnknown')).toHaveLength(1)
  expect(recorder.sum('resent', 'ambiguous')).toBe(3)
  expect(hec.indexed).toHaveLength(6)
})

test('with acknowledgement such a request may have got an id, so the shared channel is left', async () => {
  const hec = await startHec({ ack: true })
  hec.acknowledging = false
  const { deliver } = await sinkTo([hec.url], { concurrency: 40 })
  // Sixteen requests have a channel of their own; the next share one.
  const own = names(16, 'own').map((id) => deliver(batchOf([id])))
  await hec.posted(16)
  hec.script.push((post, response) => {
    hec.accept(post)
    response.socket?.end('no HTTP at all\r\n\r\n')
    return true
  })
  const garbled = deliver(batchOf(['garbled']))
  await hec.posted(18)
  const [first, second] = hec.posts.slice(16)
  expect(first?.ids).toEqual(second?.ids)
  expect(first?.channel).not.toBe(second?.channel)
  hec.acknowledging = true
  hec.acknowledge()
  await Promise.all([...own, garbled])
})

test('a poll for acks that HEC does not answer is reported, and repeated', async () => {
  const hec = await startHec({ ack: true })
  const page = (_: unknown, response: ServerResponse): true => html(response, 200)
  hec.ackScript.push(page, page)
  const { deliver, recorder } = await sinkTo([hec.url])
  await deliver(batchOf(names(2)))
  expect(recorder.of('acknowledgementFailed').map(({ args }) => (args[1] as Fault).code)).toEqual([
    'http_200',
    'http_200',
  ])
  expect(recorder.sum('delivered')).toBe(2)
})

describe('small numbers under `code` that are not HEC’s', () => {
  test.each([
    [404, 5],
    [503, 14],
    [501, 12],
  ])('HTTP %i with code %i does not tell a probe that there is no acknowledgement', async (status, code) => {
    const hec = await startHec({ ack: true })
    const { deliver, recorder } = await sinkTo([hec.url])
    let events = 0
    hec.outage = (request, response) => {
      if (request.url?.endsWith('/event') && request.headers['content-length'] !== '0') events++
      json(response, status, { code, message: 'Not Found', details: [] })
    }
    const delivery = deliver(batchOf(names(2)))
    await Promise.race([recorder.first('deliveryFailed'), recorder.first('paused')])
    hec.outage = undefined
    await delivery
    // Nothing was sent before the probe was answered by HEC itself.
    expect(events).toBe(0)
    expect(hec.posts).toHaveLength(1)
  })

  test.each([
    [500, 13],
    [502, 6],
    [503, 12],
    [429, 15],
  ])('HTTP %i with code %i refuses no event: all are sent again', async (status, code) => {
    const hec = await startHec()
    hec.script.push(answer(status, { code, 'invalid-event-number': 1 }))
    const { deliver, deadLetterDir } = await sinkTo([hec.url])
    await deliver(batchOf(names(2)))
    expect(hec.indexed).toEqual(names(2))
    expect(await lettersIn(deadLetterDir)).toEqual([])
  })
})

describe('cookies', () => {
  test.each([
    ['with characters no header may have', 'lb=日本'],
    ['of nothing but a name', 'lb'],
    ['longer than any server takes', `lb=${'x'.repeat(9_000)}`],
  ])('%s are not sent back, and the next request leaves', async (_, cookie) => {
    const hec = await startHec()
    hec.script.push((post, response) => {
      hec.accept(post)
      // As it stands: Node would refuse to send some of them.
      const head = `HTTP/1.1 200 OK\r\nConnection: close\r\nSet-Cookie: ok=1\r\nSet-Cookie: ${cookie}\r\nContent-Length: 27`
      response.socket?.end(Buffer.from(`${head}\r\n\r\n${SUCCESS}`))
      return true
    })
    const { deliver, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(['a']))
    await deliver(batchOf(['b']))
    expect(hec.indexed).toEqual(['a', 'b'])
    expect(hec.posts[1]?.headers.cookie).toBe('ok=1')
    expect(recorder.of('deliveryFailed')).toEqual([])
  })
})

describe('texts of a server', () => {
  test('that are refusals come into the dead letter short and printable', async () => {
    const hec = await startHec()
    hec.rule = (post, response) => {
      if (!post.ids.includes('e0')) return undefined
      return json(response, 400, { text: `\u001b[2J\r\n${'x'.repeat(9_000)}`, code: 12, 'invalid-event-number': 0 })
    }
    const { deliver, deadLetterDir } = await sinkTo([hec.url])
    await deliver(batchOf(names(2)))
    const letters = await lettersIn(deadLetterDir)
    expect(letters.map(({ reason }) => reason.text)).toEqual([expect.stringMatching(/^\[2J x{100,}$/)])
    expect(letters[0]?.reason.text.length).toBeLessThanOrEqual(200)
  })

  test('are understood whatever the token is: hiding it changes no meaning', async () => {
    const hec = await startHec()
    const { deliver, recorder } = await sinkTo([hec.url], { token: new Secret('code') })
    await deliver(batchOf(['e0']))
    expect(hec.posts.map(({ ids }) => ids)).toEqual([['e0']])
    expect(recorder.faults('paused')).toEqual([])
  })

  test('that repeat the token, as JSON spells it or in an address, reach no log with it', async () => {
    const token = 'a"b\\c/d-s3cret'
    const hec = await startHec()
    hec.script.push(
      answer(503, { text: `you sent ${token}`, code: 9 }),
      (_, response) => json(response, 307, {}, { location: `/?token=${token}` }),
      refuse(400, 3, 0, undefined),
    )
    const { deliver, recorder } = await sinkTo([hec.url], { token: new Secret(token) })
    await deliver(batchOf(names(1)))
    const shown = recorder.calls.map(({ args }) => args.map((arg) => String((arg as Error)?.message ?? arg)).join())
    expect(shown.join('\n')).not.toContain('s3cret')
    expect(shown.join('\n')).toContain('you sent [secret]')
    expect(shown.join('\n')).toContain('sends us to /?token=[secret]')
  })

  test('that repeat the credentials of a forward proxy reach no log with them', async () => {
    const hec = await startHec()
    let asked = 0
    hec.outage = ({ headers }, response) => {
      if (++asked === 3) hec.outage = undefined
      response.writeHead(502).end(`Proxy-Authorization: ${headers['proxy-authorization']}`)
    }
    const authorization = new Secret('Basic cHJveHk6czNjcmV0')
    const { deliver, recorder } = await sinkTo([hec.url], {
      proxies: { http: { origin: hec.url, authorization }, except: [] },
    })
    await deliver(batchOf(names(1)))
    const shown = recorder.calls.map(({ args }) => args.map((arg) => String((arg as Error)?.message ?? arg)).join())
    expect(shown.join('\n')).toContain('Proxy-Authorization: [secret]')
    expect(shown.join('\n')).not.toContain('cHJveHk')
  })
})

test('an answer that a gateway compressed unasked is read', async () => {
  const hec = await startHec()
  hec.script.push((post, response, double) => {
    double.index(post.ids)
    const body = gzipSync(SUCCESS)
    return response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length }).end(body)
  })
  const { deliver } = await sinkTo([hec.url])
  await deliver(batchOf(names(3)))
  expect(hec.indexed).toEqual(names(3))
})
