import { describe, expect, test } from 'vitest'
import type { Reading } from '../../../src/routing/path.ts'
import { parsePath } from '../../../src/routing/path.ts'

function readings(text: string): readonly Reading[] {
  const path = parsePath(text)
  if ('problem' in path) throw new Error(path.problem)
  expect(path.text).toBe(text)
  return path.readings
}

const content = (key: string, ...rest: (string | number)[]): Reading => ({ of: 'content', key, rest })

describe('a path', () => {
  test('is a key, or descends into JSON: the longest key first', () => {
    expect(readings('status')).toEqual([content('status')])
    expect(readings('a.b.c')).toEqual([content('a.b.c'), content('a.b', 'c'), content('a', 'b', 'c')])
    expect(readings('a.b[2].c["d e"][x/y]')).toEqual([
      content('a.b', 2, 'c', 'd e', 'x/y'),
      content('a', 'b', 2, 'c', 'd e', 'x/y'),
    ])
  })

  test('takes any key in brackets, as it is', () => {
    expect(readings('["my key"].a.b')).toEqual([content('my key', 'a', 'b')])
    expect(readings(`['a"b']`)).toEqual([content('a"b')])
    expect(readings('["a\\"\\\\\\n用户"][0]')).toEqual([content('a"\\\n用户', 0)])
    expect(readings('[0]')).toEqual([content('0')])
    expect(readings('a["0"][0][00]')).toEqual([content('a', '0', 0, 0)])
    expect(readings('["@time"]')).toEqual([content('@time')])
  })

  test('knows tags, topic and source, in brackets too', () => {
    expect(readings('__tag__:__hostname__')).toEqual([{ of: 'tag', key: '__hostname__', rest: [] }])
    expect(readings('["__tag__:a b"].c')).toEqual([{ of: 'tag', key: 'a b', rest: ['c'] }])
    expect(readings('__tag__:a.b')).toEqual([
      { of: 'tag', key: 'a.b', rest: [] },
      { of: 'tag', key: 'a', rest: ['b'] },
    ])
    expect(readings('__topic__')).toEqual([{ of: 'topic', key: '__topic__', rest: [] }])
    expect(readings('["__source__"]')).toEqual([{ of: 'source', key: '__source__', rest: [] }])
    expect(readings('__topic__.a')).toEqual([{ of: 'topic', key: '__topic__', rest: ['a'] }])
  })

  test('knows the values of the bridge, and takes other names with @ for keys', () => {
    for (const key of ['@project', '@logstore', '@source', '@shard', '@time', '@size']) {
      expect(readings(key)).toEqual([{ of: 'bridge', key, rest: [] }])
    }
    expect(readings('@timestamp')).toEqual([content('@timestamp')])
  })

  test('ends where the text does', () => {
    expect(parsePath('a b')).toEqual({ problem: 'the end of the path expected', offset: 1 })
    expect(parsePath('a.1')).toMatchObject({ offset: 2 })
    expect(parsePath('')).toEqual({ problem: 'a field expected', offset: 0 })
  })
})
