import { expect, test } from 'vitest'
import { cursorNumber, cursorOf, int64 } from '../../../src/sls/cursor.ts'

test('a cursor is the base64 of a decimal position', () => {
  expect(cursorNumber('MTQ0NzI5OTYwNjg5NjYzMjM1Ng==')).toBe(1447299606896632356n)
  expect(cursorOf(1447299606896632356n)).toBe('MTQ0NzI5OTYwNjg5NjYzMjM1Ng==')
})

test.each([0n, 1n, 9n, 2n ** 53n + 1n, 2n ** 63n - 1n, -1n])(
  'position %s survives the way there and back',
  (position) => {
    expect(cursorNumber(cursorOf(position))).toBe(position)
  },
)

test.each<[name: string, cursor: string]>([
  ['empty', ''],
  ['no base64', 'not a cursor!'],
  ['base64 with stray characters', 'MT Q0NzI5OTYwNjg5NjYzMjM1Ng=='],
  ['no number inside', Buffer.from('abc').toString('base64')],
  ['a fraction', Buffer.from('1.5').toString('base64')],
  ['hexadecimal', Buffer.from('0x10').toString('base64')],
  ['blanks', Buffer.from(' 1').toString('base64')],
  ['beyond 64 bits', Buffer.from('9223372036854775808').toString('base64')],
  ['digits without end', Buffer.from('9'.repeat(10_000)).toString('base64')],
])('%s is no position', (_name, cursor) => {
  expect(cursorNumber(cursor)).toBeUndefined()
})

test('x-log-read-last-cursor is the plain number', () => {
  expect(int64('1447299606896632356')).toBe(1447299606896632356n)
  expect(int64('MTQ0NzI5OTYwNjg5NjYzMjM1Ng==')).toBeUndefined()
})
