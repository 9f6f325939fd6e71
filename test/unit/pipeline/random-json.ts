import fc from 'fast-check'

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
export type Steps = readonly (string | number)[]

export const isScalar = (json: Json): boolean => typeof json !== 'object' || json === null

/** The paths of all values inside. */
export function pathsOf(json: Json, path: Steps = []): [Steps, Json][] {
  const inner: [string | number, Json][] =
    json === null || typeof json !== 'object' ? [] : Array.isArray(json) ? [...json.entries()] : Object.entries(json)
  const here: [Steps, Json][] = path.length > 0 ? [[path, json]] : []
  return [...here, ...inner.flatMap(([step, value]) => pathsOf(value, [...path, step]))]
}

/** Writes JSON with white space and escapes that nobody needs, as `chance` says. */
export function written(json: Json, chance: () => boolean): string {
  const space = () => (chance() ? ' \n' : '')
  const string = (text: string) => {
    const units = Array.from({ length: text.length }, (_, index) => text.charCodeAt(index))
    const escaped = (unit: number) => `\\u${unit.toString(16).padStart(4, '0')}`
    return chance() ? `"${units.map(escaped).join('')}"` : JSON.stringify(text)
  }
  const item = (value: Json): string => `${space()}${written(value, chance)}${space()}`
  if (typeof json === 'string') return string(json)
  if (json === null || typeof json !== 'object') return JSON.stringify(json)
  if (Array.isArray(json)) return `[${json.map(item).join(',')}${json.length === 0 ? space() : ''}]`
  const members = Object.entries(json).map(([key, value]) => `${space()}${string(key)}${space()}:${item(value)}`)
  return `{${members.join(',')}}`
}

// JSON.parse of Node 24 reads keys with escapes wrongly once it has read an object with the key `\` (nodejs/node#63785).
export const key = fc
  .oneof(fc.constantFrom('a', 'b', 'c', 'a.b', '', '"', '\\x', '用'), fc.string({ maxLength: 3 }))
  .filter((text) => text !== '\\')
const { tree } = fc.letrec<{ tree: Json; scalar: Json }>((tie) => ({
  scalar: fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 5 }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom('\n', '"', '\\u0041', '😀', '\u0000'),
  ),
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('scalar'),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.array(tie('scalar'), { maxLength: 4 }),
    fc.dictionary(key, tie('tree'), { maxKeys: 4, noNullPrototype: true }),
  ),
}))
export const outermost = tree.filter((json) => typeof json === 'object' && json !== null)

/** Decides as the seed says, the same each time. */
export function chancesOf(seed: number): () => boolean {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 31 === 1
  }
}

/** Bytes that make JSON malformed, or mean something else. */
const BAD_BYTES = [...Buffer.from('{}[]",:\\\n\t 01-.eEnu/'), 0x00, 0x1f, 0x7f, 0x80, 0xc3, 0xff]
const change = fc.tuple(fc.nat(120), fc.constantFrom('put', 'insert', 'remove', 'cut'), fc.constantFrom(...BAD_BYTES))

/** JSON text, with keys that are there twice, or with some bytes wrong, or as it should be; and the paths in it. */
export const damaged: fc.Arbitrary<{ bytes: Buffer; paths: readonly Steps[] }> = fc
  .tuple(
    outermost,
    outermost,
    fc.nat(),
    fc.array(change, { maxLength: 2 }),
    fc.constantFrom(0, 0, 0, 1, 29, 62, 63, 64),
  )
  .map(([json, second, seed, changes, depth]) => {
    const chance = chancesOf(seed)
    const jsons = chance() && Array.isArray(json) === Array.isArray(second) ? [json, second] : [json]
    const inner = jsons.map((one) => written(one, chance).slice(1, -1)).filter((text) => text.trim() !== '')
    const text = Array.isArray(json) ? `[${inner.join(',')}]` : `{${inner.join(',')}}`
    const above = '{"a":'.repeat(depth)
    let bytes = Buffer.from(above + text + '}'.repeat(depth))
    for (const [place, how, byte] of chance() ? changes : []) {
      const at = Math.min(bytes.length, above.length + (place % (text.length + 1)))
      const rest = bytes.subarray(how === 'insert' ? at : at + 1)
      const put = how === 'put' || how === 'insert' ? Buffer.of(byte) : Buffer.alloc(0)
      bytes = Buffer.concat(how === 'cut' ? [bytes.subarray(0, at)] : [bytes.subarray(0, at), put, rest])
    }
    const steps = Array<string>(depth).fill('a')
    return { bytes, paths: jsons.flatMap((one) => pathsOf(one)).map(([path]) => [...steps, ...path]) }
  })
