type Value = string | number | bigint | boolean | readonly Value[] | { readonly [key: string]: Value }

const [STRING, DOUBLE, MAP, UINT32, UINT128, ARRAY, BOOLEAN] = [2, 3, 7, 6, 10, 11, 14]
const NODE_BYTES = 6

/**
 * A MaxMind database of these networks (`203.0.113.0/24`), as https://maxmind.github.io/MaxMind-DB/ says: a tree of addresses
 * with records of 24 bits, the data, and the metadata.
 */
export function mmdb(networks: Readonly<Record<string, Value>>, version: 4 | 6 = 6): Buffer {
  const data: Buffer[] = []
  const nodes: [number, number][] = [[-1, -1]]
  /** Leaves are written as -2 - offset until the number of nodes is known. */
  for (const [network, value] of Object.entries(networks)) {
    const leaf = -2 - Buffer.concat(data).length
    data.push(encoded(value))
    insert(nodes, bitsOf(network, version), leaf)
  }
  const tree = Buffer.alloc(nodes.length * NODE_BYTES)
  for (const [index, pair] of nodes.entries()) {
    for (const [side, to] of pair.entries()) {
      const record = to === -1 ? nodes.length : to < 0 ? nodes.length + 16 - 2 - to : to
      tree.writeUIntBE(record, index * NODE_BYTES + side * 3, 3)
    }
  }
  const metadata = encoded({
    ...{ binary_format_major_version: 2, binary_format_minor_version: 0, build_epoch: 1_780_000_000 },
    ...{ database_type: 'Test-City', ip_version: version, node_count: nodes.length, record_size: 24 },
    ...{ languages: ['en'], description: { en: 'for tests' } },
  })
  return Buffer.concat([tree, Buffer.alloc(16), ...data, Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1'), metadata])
}

function insert(nodes: [number, number][], bits: readonly (0 | 1)[], leaf: number): void {
  let node = nodes[0] as [number, number]
  for (const bit of bits.slice(0, -1)) {
    if (node[bit] === -1) node[bit] = nodes.push([-1, -1]) - 1
    node = nodes[node[bit]] as [number, number]
  }
  node[bits.at(-1) as 0 | 1] = leaf
}

/** Addresses of IPv4 stand below ::/96 in a tree of IPv6. */
function bitsOf(network: string, version: 4 | 6): (0 | 1)[] {
  const [address = '', length = ''] = network.split('/')
  const isV6 = address.includes(':')
  const bytes = isV6 ? v6Bytes(address) : address.split('.').map(Number)
  const padding = version === 6 && !isV6 ? 96 : 0
  const bits = bytes.flatMap((byte) => [...byte.toString(2).padStart(8, '0')].map((bit) => (bit === '1' ? 1 : 0)))
  return [...Array<0 | 1>(padding).fill(0), ...bits.slice(0, Number(length))]
}

function v6Bytes(address: string): number[] {
  const [left = '', right = ''] = address.split('::')
  const words = (text: string): number[] =>
    text
      .split(':')
      .filter(Boolean)
      .map((word) => Number.parseInt(word, 16))
  const [before, after] = [words(left), words(right)]
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
  return all.flatMap((word) => [word >> 8, word & 0xff])
}

function encoded(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(STRING, Buffer.byteLength(value)), Buffer.from(value)])
  if (typeof value === 'boolean') return control(BOOLEAN, Number(value))
  if (typeof value === 'bigint')
    return Buffer.concat([control(UINT128, 16), Buffer.from(value.toString(16).padStart(32, '0'), 'hex')])
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(Number.isInteger(value) ? 4 : 8)
    if (Number.isInteger(value)) bytes.writeUInt32BE(value)
    else bytes.writeDoubleBE(value)
    return Buffer.concat([control(Number.isInteger(value) ? UINT32 : DOUBLE, bytes.length), bytes])
  }
  if (Array.isArray(value)) return Buffer.concat([control(ARRAY, value.length), ...(value as Value[]).map(encoded)])
  const entries = Object.entries(value)
  return Buffer.concat([
    control(MAP, entries.length),
    ...entries.flatMap(([key, inner]) => [encoded(key), encoded(inner)]),
  ])
}

/** Type and size; sizes from 29 on have another byte. */
function control(type: number, size: number): Buffer {
  const short = Math.min(size, 29)
  const first = type > 7 ? [short, type - 7] : [(type << 5) | short]
  return Buffer.from(size >= 29 ? [...first, size - 29] : first)
}
