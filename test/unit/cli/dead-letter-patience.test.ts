import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { replay } from '../../../src/cli/dead-letter/replay.ts'
import { accepted } from '../config/given-environment.ts'
import { fastClock } from '../sinks/delivery-double.ts'

const NAME = 'dead-letter-20261121T090000000Z-c-7-abcdef.jsonl'

function letter(text: string): string {
  const origin = `{"project":"p","logstore":"audit","shard":3,"cursor":"MTcw","event_id":"audit:3:170:${text}"}`
  const reason = '{"code":"http_403","text":"forbidden","status":403}'
  const envelope = `{"time":1790000000.123456789,"event":"${text}"}`
  return `{"reason":${reason},"origin":${origin},"at":"2026-11-21T09:00:00.005Z","event":${envelope}}\n`
}

const success = (response: ServerResponse): void => void response.end('{"text":"Success","code":0}')

/** A replay to a collector that answers bodies as `answer` says, with a clock that is 50 times faster. */
async function replayOf(lines: string, answer: (body: string, response: ServerResponse) => void) {
  const dir = mkdtempSync(join(tmpdir(), 'replay-patience-'))
  writeFileSync(join(dir, NAME), lines)
  const collector = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const raw = Buffer.concat(parts)
      const body = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString()
      if (body === '') response.writeHead(400).end('{"text":"No data","code":5}')
      else answer(body, response)
    })
  })
  collector.listen(0, '127.0.0.1')
  await once(collector, 'listening')
  onTestFinished(() => {
    collector.closeAllConnections()
    collector.close()
    rmSync(dir, { recursive: true })
  })
  const { config } = accepted({
    ...{ SPLUNK_HEC_URL: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`, SPLUNK_HEC_ACK: 'false' },
    DEAD_LETTER_DIR: dir,
  })
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const io = { env: {}, stdout, stderr, signal: new AbortController().signal }
  const code = await replay(config.whole, io, fastClock(50))
  return {
    code,
    said: `${stderr.read() ?? ''}${stdout.read() ?? ''}`,
    files: readdirSync(dir).toSorted(),
    text: (name: string) => readFileSync(join(dir, name), 'utf8'),
  }
}

describe('a replay ends where a replica would wait', () => {
  test('the only event is refused with a page: the file is left, with the reason', async () => {
    const { code, said, files, text } = await replayOf(letter('one'), (_, response) =>
      response.writeHead(403).end('<html>forbidden by rule 9</html>'),
    )
    expect(code).toBe(1)
    expect(said).toContain('jsonl is left: nothing was delivered to splunk_hec for 60 s: HEC answered HTTP 403')
    expect(said).toContain('forbidden by rule 9')
    expect(said).toContain('0 delivered, 0 refused again')
    expect(files).toEqual([NAME])
    expect(text(NAME)).toBe(letter('one'))
  })

  test.each([403, 500])(
    'one of several events is refused with HTTP %i: it is a dead letter again, and no other is sent twice',
    async (status) => {
      const taken: string[] = []
      const { code, said, files, text } = await replayOf(
        letter('a') + letter('poison') + letter('b'),
        (body, response) => {
          if (body.includes('poison')) response.writeHead(status).end('<html>no</html>')
          else {
            taken.push(...body.split('\n').filter(Boolean))
            success(response)
          }
        },
      )
      expect(code).toBe(1)
      expect(said).toContain('2 delivered, 1 refused again')
      expect(taken).toHaveLength(2)
      const [replayed, again] = files
      expect(replayed).toBe(`${NAME}.replayed`)
      expect(JSON.parse(text(again as string))).toMatchObject({ reason: { status }, event: { event: 'poison' } })
    },
  )
})
