import { SlsRefusal } from './refusal.ts'

/** A part of the 128-bit hash space. Keys have 32 hex digits; the end is exclusive, except `ffff…`, the last key. */
export interface HashRange {
  readonly beginKey: string
  readonly endKey: string
}

const SPACE = 2n ** 128n
const LAST_KEY = 'f'.repeat(32)
const HASH_KEY = /^[0-9a-f]{32}$/

export const WHOLE_SPACE: HashRange = { beginKey: '0'.repeat(32), endKey: LAST_KEY }

/** A key in lower case. Refuses with ParameterInvalid. */
export function hashKey(key: string): string {
  const lower = key.toLowerCase()
  if (!HASH_KEY.test(lower)) throw new SlsRefusal('ParameterInvalid', `a hash key has 32 hex digits: ${key}`)
  return lower
}

export function holds({ beginKey, endKey }: HashRange, key: string): boolean {
  return beginKey <= key && (key < endKey || endKey === LAST_KEY)
}

export function equalParts({ beginKey, endKey }: HashRange, count: number): HashRange[] {
  const begin = BigInt(`0x${beginKey}`)
  const end = endKey === LAST_KEY ? SPACE : BigInt(`0x${endKey}`)
  const border = (index: number) => {
    const key = begin + ((end - begin) * BigInt(index)) / BigInt(count)
    return key === SPACE ? LAST_KEY : key.toString(16).padStart(32, '0')
  }
  return Array.from({ length: count }, (_, index) => ({ beginKey: border(index), endKey: border(index + 1) }))
}

/** The two parts before and from `key` on; undefined if the key leaves one of them empty. */
export function partsAt({ beginKey, endKey }: HashRange, key: string): HashRange[] | undefined {
  if (key <= beginKey || (key >= endKey && endKey !== LAST_KEY)) return undefined
  return [
    { beginKey, endKey: key },
    { beginKey: key, endKey },
  ]
}
