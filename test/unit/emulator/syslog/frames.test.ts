import { describe, expect, test } from 'vitest'
import type { FrameOptions } from '../../../../src/emulator/syslog/frames.ts'
import { FrameReader } from '../../../../src/emulator/syslog/frames.ts'
import { RelpServer } from '../../../../src/emulator/syslog/relp.ts'

const OPTIONS: FrameOptions = { framing: 'auto', maxMessageBytes: 1_000, oversize: 'close' }

/** The messages of a stream, given whole and byte by byte. */
function messages(stream: string, options: Partial<FrameOptions> = {}): string[] {
  const [whole, single] = [new FrameReader({ ...OPTIONS, ...options }), new FrameReader({ ...OPTIONS, ...options })]
  const bytes = Buffer.from(stream)
  const all = [...whole.push(bytes), whole.end() ?? []].flat().map(String)
  const each = [...bytes].flatMap((byte) => [...single.push(Buffer.from([byte]))])
  expect([...each, single.end() ?? []].flat().map(String)).toEqual(all)
  return all
}

describe('framing', () => {
  test('octet counts bytes, not characters, and takes line ends inside', () => {
    expect(messages('3 张4 a\nbc', { framing: 'octet' })).toEqual(['张', 'a\nbc'])
  })

  test('lf ends a message at each line end, also one that begins with a digit', () => {
    expect(messages('3 abc\n<14>x\n', { framing: 'lf' })).toEqual(['3 abc', '<14>x'])
  })

  test('auto looks at each message', () => {
    expect(messages('3 abc<14>x\n4 <1>y\n<2>z\n')).toEqual(['abc', '<14>x', '<1>y', '<2>z'])
  })

  test('the end of a connection completes a line, and nothing that has a count', () => {
    expect(messages('<14>x\n<14>half')).toEqual(['<14>x', '<14>half'])
    expect(messages('5 abc')).toEqual([])
  })

  test.each(['x abc', '0 ', '01 a', '12345678901 x', '5x'])('%j has no count', (stream) => {
    expect(() => messages(stream, { framing: 'octet' })).toThrow('no octet count')
  })
})

describe('a message that is too long', () => {
  const small = { maxMessageBytes: 4 }

  test('ends the connection, as soon as its length is known', () => {
    expect(() => messages('5 ', small)).toThrow('more than 4 bytes')
    expect(() => messages('abcde', { ...small, framing: 'lf' })).toThrow('more than 4 bytes')
    expect(messages('4 abcdabcd\n', small)).toEqual(['abcd', 'abcd'])
  })

  test('is split', () => {
    expect(messages('10 abcdefghij2 xy', { ...small, oversize: 'split' })).toEqual(['abcd', 'efgh', 'ij', 'xy'])
    expect(messages('abcdefgh\nxy\n', { ...small, oversize: 'split' })).toEqual(['abcd', 'efgh', 'xy'])
  })

  test('is cut', () => {
    expect(messages('10 abcdefghij2 xy', { ...small, oversize: 'truncate' })).toEqual(['abcd', 'xy'])
    expect(messages('abcdefghi\nxy\n', { ...small, oversize: 'truncate' })).toEqual(['abcd', 'xy'])
  })
})

describe('RELP', () => {
  /** The messages of a stream, and everything that was answered. */
  function session(stream: string, oversize: 'close' | 'truncate' = 'close') {
    let written = ''
    const write = (text: string): void => {
      written += text
    }
    const server = new RelpServer({ write, closed: () => write('(closed)'), maxMessageBytes: 20, oversize })
    const taken: string[] = []
    let problem = ''
    try {
      for (const byte of Buffer.from(stream)) {
        for (const { message, answer } of server.push(Buffer.from([byte]))) {
          taken.push(String(message))
          answer('200 OK')
        }
      }
    } catch (error) {
      problem = (error as Error).message
    }
    return { taken, written, problem }
  }
  const OPEN = '1 open 0\n'

  test('answers each command by its number', () => {
    const { taken, written } = session(`${OPEN}2 syslog 3 a\nb\n3 syslog 3 张\n4 close 0\n`)
    expect(taken).toEqual(['a\nb', '张'])
    expect(written).toMatch(
      /^1 rsp \d+ 200 OK\nrelp_version=0\n[\s\S]*commands=syslog\n\n2 rsp 6 200 OK\n3 rsp 6 200 OK\n/,
    )
    expect(written).toMatch(/\n4 rsp 0\n0 serverclose 0\n\(closed\)$/)
  })

  test('refuses messages before the session is open', () => {
    expect(session('1 syslog 1 a\n')).toMatchObject({ taken: [], written: '1 rsp 20 500 command disabled\n' })
  })

  test.each([
    ['a number that is left out', `${OPEN}3 syslog 1 a\n`, 'number 3 instead of 2'],
    ['a number that comes twice', `${OPEN}1 syslog 1 a\n`, 'number 1 instead of 2'],
    ['a session that goes on with old numbers', '7 open 0\n', 'number 7 instead of 1'],
    ['an unknown command', `${OPEN}2 starttls 0\n`, 'no command of RELP: starttls'],
    ['too long a message', `${OPEN}2 syslog 21 `, 'more than 20 bytes'],
    ['a length in characters', `${OPEN}2 syslog 1 张\n`, 'no frame of RELP'],
    ['plain syslog', `<14>1 ${'x'.repeat(60)}`, 'no frame of RELP'],
  ])('ends at %s', (_, stream, problem) => {
    expect(session(stream)).toMatchObject({ taken: [], problem: expect.stringContaining(problem) })
  })

  test('cuts too long a message and takes it all the same', () => {
    const { taken, written } = session(`${OPEN}2 syslog 25 ${'x'.repeat(25)}\n`, 'truncate')
    expect(taken).toEqual(['x'.repeat(20)])
    expect(written).toMatch(/2 rsp 6 200 OK\n$/)
  })
})
