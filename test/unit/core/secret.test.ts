import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'

const value = 'a"b\\c/d'
const secret = new Secret(value)

test('is a mask in every printed form', () => {
  expect([String(secret), JSON.stringify({ secret }), inspect(secret)].join()).not.toContain('a')
  expect(secret.reveal()).toBe(value)
})

describe('is hidden in a text', () => {
  test.each([
    ['as it is', value],
    ['as JSON has it', JSON.stringify(value).slice(1, -1)],
    ['as JSON that escapes slashes has it', JSON.stringify(value).slice(1, -1).replaceAll('/', '\\/')],
  ])('%s, wherever it stands', (_, spelling) => {
    expect(secret.hiddenIn(`${spelling}, and again ${spelling}`)).toBe('[secret], and again [secret]')
  })

  test('and the rest of the text stays as it is', () => {
    expect(secret.hiddenIn('nothing of it')).toBe('nothing of it')
  })
})
