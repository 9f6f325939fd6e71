import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openGeoDatabase } from '../../src/geo/database.ts'
import { mmdb } from '../support/mmdb.ts'
import { temporaryFiles } from './config/given-environment.ts'

const HANGZHOU = { city: { names: { en: 'Hangzhou' } } }
const SYDNEY = { city: { names: { en: 'Sydney' } } }

function fileOf(bytes: Buffer | string): string {
  const { write } = temporaryFiles()
  return write('city.mmdb', bytes)
}

describe('a database', () => {
  test('knows the addresses of its networks, of both versions', () => {
    const database = openGeoDatabase(fileOf(mmdb({ '203.0.113.0/24': HANGZHOU, '2001:db8::/32': SYDNEY })))
    expect(database.lookUp('203.0.113.9')).toEqual(HANGZHOU)
    expect(database.lookUp('::ffff:203.0.113.9')).toEqual(HANGZHOU)
    expect(database.lookUp('2001:db8::1')).toEqual(SYDNEY)
    expect(database.lookUp('203.0.114.9')).toBeUndefined()
    expect(database.lookUp('2001:db9::1')).toBeUndefined()
  })

  test('of IPv4 takes no address of IPv6 for one of its own', () => {
    const database = openGeoDatabase(fileOf(mmdb({ '32.1.0.0/16': HANGZHOU }, 4)))
    expect(database.lookUp('32.1.13.184')).toEqual(HANGZHOU)
    expect(database.lookUp('2001:db8::1')).toBeUndefined()
    expect(database.lookUp('::ffff:32.1.13.184')).toEqual(HANGZHOU)
  })

  test.each(['', 'web-1', '203.0.113', '203.0.113.9:443', '203.0.113.256', '1'.repeat(100_000)])(
    'refuses %s',
    (text) => {
      const database = openGeoDatabase(fileOf(mmdb({ '203.0.113.0/24': HANGZHOU })))
      expect(() => database.lookUp(text)).toThrow('no address')
    },
  )

  test('is one for all who open its file, until the file changes', () => {
    const path = fileOf(mmdb({ '203.0.113.0/24': HANGZHOU }))
    const first = openGeoDatabase(path)
    expect(openGeoDatabase(path)).toBe(first)
    writeFileSync(path, mmdb({ '203.0.113.0/24': SYDNEY, '203.0.114.0/24': SYDNEY }))
    expect(openGeoDatabase(path).lookUp('203.0.113.9')).toEqual(SYDNEY)
  })

  test('reads its file again when it was replaced', async () => {
    const path = fileOf(mmdb({ '203.0.113.0/24': HANGZHOU }))
    const database = openGeoDatabase(path)
    const told: unknown[] = []
    database.changed = (error) => told.push(error)
    await database.renew()
    expect(told).toEqual([])
    writeFileSync(`${path}.new`, mmdb({ '203.0.113.0/24': SYDNEY }))
    renameSync(`${path}.new`, path)
    await database.renew()
    expect(database.lookUp('203.0.113.9')).toEqual(SYDNEY)
    expect(told).toEqual([undefined])
  })

  test('keeps what it read where the new file is broken or gone, and says so once', async () => {
    const path = fileOf(mmdb({ '203.0.113.0/24': HANGZHOU }))
    const database = openGeoDatabase(path)
    const told: string[] = []
    database.changed = (error) => told.push(String(error))
    writeFileSync(path, 'half a file')
    await database.renew()
    await database.renew()
    rmSync(path)
    await database.renew()
    await database.renew()
    expect(database.lookUp('203.0.113.9')).toEqual(HANGZHOU)
    expect(told).toEqual([expect.stringMatching(/no MaxMind database/), expect.stringMatching(/ENOENT/)])
    writeFileSync(path, mmdb({ '203.0.113.0/24': SYDNEY }))
    await database.renew()
    expect(database.lookUp('203.0.113.9')).toEqual(SYDNEY)
  })
})

describe('a file is refused', () => {
  const whole = mmdb({ '203.0.113.0/24': HANGZHOU })

  test.each([
    ['that is empty', Buffer.alloc(0)],
    ['that is something else', Buffer.from('<html>'.repeat(1000))],
    ['whose beginning is missing', whole.subarray(whole.length - 200)],
    ['whose end is missing', whole.subarray(0, whole.length - 40)],
  ])('%s', (_, bytes) => {
    const path = fileOf(bytes)
    expect(() => openGeoDatabase(path)).toThrow('it is no MaxMind database, or is not whole')
  })

  test('that is not there, or is a folder', () => {
    const { directory } = temporaryFiles()
    expect(() => openGeoDatabase(`${directory}/none`)).toThrow('ENOENT')
    expect(() => openGeoDatabase(directory)).toThrow('a directory, not a regular file')
  })
})
