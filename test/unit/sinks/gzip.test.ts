import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SAMPLE_KINDS, SampleLogs } from '../../../src/emulator/sample-logs.ts'
import { gzip } from '../../../src/sinks/gzip/gzip.ts'

const WINDOW = 32_768
const LONGEST_REPETITION = 258
/** What one block of ours stands for (engine/deflate-block.ts). */
const BLOCK = 131_072
/** Longer bodies are zlib's (src/sinks/gzip/gzip.ts). */
const LONGEST_BODY = 2 << 20
const PIECE_BYTES = 512 << 10

/** Numbers that are the same in every run. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

function noise(length: number, alphabet = 256): Buffer {
  const random = numbers(length + alphabet)
  return Buffer.from(Uint8Array.from({ length }, () => random() * alphabet))
}

function sampleEvents(kind: (typeof SAMPLE_KINDS)[number]): Buffer {
  const { logs } = new SampleLogs(1).group(kind, 500, 1_790_000_000_000)
  return Buffer.from(logs.map((log) => `${JSON.stringify({ time: log.timestamp, event: log.content })}\n`).join(''))
}

async function expectSame(body: Buffer): Promise<Buffer> {
  const gzipped = await gzip(body)
  expect(gunzipSync(gzipped).equals(body)).toBe(true)
  return gzipped
}

describe('gunzip gives back the body', () => {
  test.each([0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 255, 256, 257])(
    'with %i bytes, random and all the same',
    async (length) => {
      await expectSame(noise(length))
      await expectSame(Buffer.alloc(length, 'a'))
    },
  )

  test.each([
    LONGEST_REPETITION,
    LONGEST_REPETITION + 1,
    LONGEST_REPETITION + 2,
    LONGEST_REPETITION + 3,
    LONGEST_REPETITION + 4,
    LONGEST_REPETITION + 5,
    3 * LONGEST_REPETITION + 1,
  ])('with a repetition of %i bytes', async (length) => {
    const stretch = noise(length)
    await expectSame(Buffer.concat([stretch, Buffer.from([0, 1, 2]), stretch, Buffer.from([3]), stretch]))
  })

  test('when its beginning repeats, whatever lies before it in memory', async () => {
    const beginning = noise(20)
    for (let byte = 0; byte < 256; byte++) await expectSame(Buffer.concat([beginning, Buffer.of(byte), beginning]))
  })

  test.each([1, 2, 3, 4, 5, 7, 8, 9, WINDOW - 1, WINDOW, WINDOW + 1])(
    'with a repetition from %i bytes before',
    async (distance) => {
      const body = noise(distance + 600)
      body.copyWithin(distance, 0, 600)
      for (let i = distance; i < body.length; i++) body[i] = body[i - distance] as number
      await expectSame(body)
    },
  )

  test.each([-9, -8, -7, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 8, 9])(
    'around the end of a block (%i bytes)',
    async (over) => {
      const stretch = noise(40)
      for (const before of [1, 2, 3, 4, 5, 8, 20]) {
        const body = Buffer.concat([stretch, Buffer.alloc(BLOCK - 40 - before, 'ab'), stretch, noise(60, 3)])
        await expectSame(body.subarray(0, BLOCK + over))
        await expectSame(Buffer.concat([body.subarray(0, BLOCK + over), stretch]))
      }
    },
  )

  test('with bytes so rare that their codes have to be shortened', async () => {
    // As often as Fibonacci's numbers say, the code of each is one bit longer than the next one's: up to 20 bits here. All
    // others are in no order, or what is frequent would be sent as repetitions, and so be rare as well.
    const rare = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233]
    const body = Buffer.from(noise(BLOCK, 256 - rare.length).map((byte) => rare.length + byte))
    const bytes = rare.flatMap((times, byte) => Array.from({ length: times }, () => byte))
    for (const [index, byte] of bytes.entries()) body[200 * index] = byte
    await expectSame(body)
  })

  test.each([500, 1_000, 2_000, 3_000, 4_000, 5_000])(
    'with codes of such lengths that the code for those has to be shortened (%i bytes)',
    async (length) => {
      const random = numbers(length)
      await expectSame(Buffer.from(Uint8Array.from({ length }, () => 256 * random() ** 2)))
    },
  )

  test.each([2, 3, 5, 17, 64, 200, 256])(
    'with %i different bytes in no order, for several blocks',
    async (alphabet) => {
      const body = noise(3 * BLOCK + 77, alphabet)
      const gzipped = await expectSame(body)
      expect(gzipped.length).toBeLessThan(body.length * 1.01 + 1000)
    },
  )

  test.each([LONGEST_BODY, LONGEST_BODY + 1])(
    'at the length from which on it is zlib that works (%i)',
    async (length) => {
      await expectSame(Buffer.alloc(length, noise(5_000)))
      // There is room for what becomes no shorter, too.
      await expectSame(noise(length))
    },
  )

  test('of any bytes', async () => {
    const stretch = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => ({ bytes })),
      fc.record({ back: fc.integer({ min: 1, max: 40_000 }), length: fc.integer({ min: 1, max: 1_000 }) }),
      fc.record({ letters: fc.integer({ min: 1, max: 5_000 }), seed: fc.nat() }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(stretch, { minLength: 1, maxLength: 150 }), async (stretches) => {
        let body = Buffer.alloc(0)
        for (const one of stretches) {
          if ('bytes' in one) body = Buffer.concat([body, one.bytes])
          else if ('letters' in one) {
            const random = numbers(one.seed)
            body = Buffer.concat([
              body,
              Buffer.from(Array.from({ length: one.letters }, () => 97 + random() ** 3 * 26)),
            ])
          } else {
            const from = Math.max(0, body.length - one.back)
            body = Buffer.concat([body, Buffer.alloc(one.length, body.length > 0 ? body.subarray(from) : 'x')])
          }
        }
        await expectSame(body)
      }),
      { numRuns: 150 },
    )
  })
})

test.each(SAMPLE_KINDS)('%s events become about as small as with zlib at its fastest', async (kind) => {
  const body = sampleEvents(kind)
  const gzipped = await expectSame(body)
  expect(gzipped.length).toBeLessThan(1.05 * gzipSync(body, { level: 1 }).length)
})

test('the same body gives the same bytes again, whatever was compressed in between', async () => {
  const body = sampleEvents('audit')
  const first = await gzip(body)
  await gzip(noise(300_000, 20))
  expect((await gzip(body)).equals(first)).toBe(true)
})

test('bytes behind a body in memory do not reach the result', async () => {
  // Its last four bytes and one of another body's stood there before.
  const body = Buffer.from('abcde, and what else there is: abcd')
  const after = async (letter: string): Promise<Buffer> => {
    await gzip(Buffer.concat([body, Buffer.from(letter)]))
    return await gzip(body)
  }
  expect((await after('e')).equals(await after('f'))).toBe(true)
})

test('one byte over and over becomes nearly nothing', async () => {
  const body = Buffer.alloc(1_000_000, 'a')
  expect((await expectSame(body)).length).toBeLessThan(body.length / 800)
})

test('the event loop turns between two bodies', async () => {
  const order: string[] = []
  const body = sampleEvents('access')
  const bodies = ['first', 'second', 'third'].map((name) => gzip(body).then(() => order.push(name)))
  let turns = 0
  const turn = (): void => {
    order.push(`turn ${++turns}`)
    if (turns < 10) setImmediate(turn)
  }
  setImmediate(turn)
  await Promise.all(bodies)
  const places = ['first', 'second', 'third'].map((name) => order.indexOf(name))
  expect(order.slice(places[0], places[1]).some((entry) => entry.startsWith('turn'))).toBe(true)
  expect(order.slice(places[1], places[2]).some((entry) => entry.startsWith('turn'))).toBe(true)
})

test('it turns within a long body, and a body begun meanwhile does not disturb it', async () => {
  const bodies = [noise(LONGEST_BODY, 90), sampleEvents('audit'), noise(LONGEST_BODY, 10)]
  let turns = 0
  let over = false
  const turn = (): void => {
    turns++
    if (!over) setImmediate(turn)
  }
  setImmediate(turn)
  const gzipped = await Promise.all(bodies.map((body) => gzip(body)))
  over = true
  expect(turns).toBeGreaterThanOrEqual(2 * (LONGEST_BODY / PIECE_BYTES))
  for (const [index, body] of bodies.entries()) expect(gunzipSync(gzipped[index] as Buffer).equals(body)).toBe(true)
})
