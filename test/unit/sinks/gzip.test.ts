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
const LONGEST_BODY = 4 << 20

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

describe('what gunzip makes of it is what was given', () => {
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

  test('with symbols so unequal that their codes have to be shortened', async () => {
    // As often as Fibonacci's numbers say, each symbol would be one bit longer than the next: up to 22 bits here.
    const bytes: number[] = []
    for (
      let [symbol, one, two] = [0, 1, 1];
      bytes.length < BLOCK / 2;
      [symbol, one, two] = [symbol + 1, two, one + two]
    ) {
      for (let i = 0; i < one; i++) bytes.push(symbol)
    }
    const random = numbers(7)
    const shuffled = bytes.map((byte) => ({ byte, key: random() })).sort((a, b) => a.key - b.key)
    await expectSame(Buffer.from(shuffled.map(({ byte }) => byte)))
  })

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
    },
  )

  test('whatever it is made of', async () => {
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

test('the same body is the same bytes again, whatever came between: no memory of another body is left in it', async () => {
  const body = sampleEvents('audit')
  const first = await gzip(body)
  await gzip(noise(300_000, 20))
  expect((await gzip(body)).equals(first)).toBe(true)
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
