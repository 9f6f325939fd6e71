import { describe, expect, test } from 'vitest'
import { Bytes } from '../../../src/pipeline/reference/bytes.ts'
import { KeyTable } from '../../../src/pipeline/reference/keys.ts'

const tableOf = (prefix = ''): KeyTable => new KeyTable(prefix, (key) => key === 'reserved')

function take(table: KeyTable, key: string | Buffer): number {
  const bytes = new Bytes(Buffer.from(key as string))
  return table.take(bytes, 0, bytes.buffer.length)
}

function pieceOf(table: KeyTable, id: number): string {
  const target = Bytes.allocate(2000)
  return target.buffer.toString('utf8', 0, table.writeKey(id, target, 0))
}

describe('a key table', () => {
  test('knows a key again by its bytes and renders it as JSON, prefix included', () => {
    const table = tableOf('__tag__:')
    const id = take(table, 'a"b')
    expect(pieceOf(table, id)).toBe('","__tag__:a\\"b":"')
    table.beginEvent()
    expect(take(table, 'a"b')).toBe(id)
    expect(take(table, 'a"c')).not.toBe(id)
  })

  test('hands out a key once in an event', () => {
    const table = tableOf()
    const id = take(table, 'key')
    expect(take(table, 'key')).toBe(-1)
    table.beginEvent()
    table.mark(id)
    expect(take(table, 'key')).toBe(-1)
  })

  test('never hands out reserved, oversized or undecodable keys', () => {
    const table = tableOf()
    for (const key of ['reserved', 'k'.repeat(129), Buffer.of(0x61, 0xff)]) {
      for (let event = 0; event < 2; event++) {
        table.beginEvent()
        expect(take(table, key)).toBe(-1)
      }
    }
    expect(take(table, 'k'.repeat(128))).toBeGreaterThanOrEqual(0)
  })

  test('takes no more keys when it is full, but keeps those it has', () => {
    const table = tableOf()
    const ids = Array.from({ length: 3_000 }, (_, index) => take(table, `key ${index}`))
    expect(ids.filter((id) => id >= 0).length).toBeLessThanOrEqual(2_048)
    table.beginEvent()
    expect(ids[0]).toBeGreaterThanOrEqual(0)
    expect(take(table, 'key 0')).toBe(ids[0])
    expect(take(table, 'another')).toBe(-1)
    expect(table.epoch).toBe(0)
  })

  test('starts over when it has long been full of keys nobody asks for', () => {
    const table = tableOf()
    for (let index = 0; table.epoch === 0 && index < 10_000; index++) {
      table.beginEvent()
      take(table, `key ${index}`)
    }
    expect(table.epoch).toBe(1)
    const id = take(table, 'another')
    expect(pieceOf(table, id)).toBe('","another":"')
  })

  test('is not slowed down by keys chosen to collide: it gives up on them', () => {
    const table = tableOf()
    const ids = Array.from({ length: 200 }, (_, index) => take(table, `same${String(index).padStart(4, '0')}same`))
    const taken = ids.filter((id) => id >= 0)
    expect(taken.length).toBeGreaterThan(0)
    expect(taken.length).toBeLessThan(20)
    expect(new Set(taken).size).toBe(taken.length)
  })
})
