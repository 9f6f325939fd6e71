/** Addresses whose first `prefix` bits are these: of IPv4 (4 bytes) or IPv6 (16 bytes). */
export interface Network {
  readonly address: Uint8Array
  readonly prefix: number
}

const V4_BYTES = 4
const V6_BYTES = 16
/** The bytes in front of an IPv4 address that is written as an IPv6 address (RFC 4291, 2.5.5.2). */
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)

/** `10.0.0.0/8`, `2001:db8::/32`, or one address. A string says what is wrong. */
export function parseNetwork(text: string): Network | string {
  const [, written = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const address = bytesOf(written)
  if (address === undefined) return `'${text}' is no network: an address and its bits expected, such as 10.0.0.0/8`
  const most = address.length * 8
  const prefix = bits === undefined ? most : Number(bits)
  if (prefix > most) return `'${text}' has more than ${most} bits`
  const mapped = MAPPED.length * 8
  return isMapped(address) && prefix >= mapped
    ? { address: address.subarray(MAPPED.length), prefix: prefix - mapped }
    : { address, prefix }
}

/** An address of IPv4 or IPv6; an IPv4 address that is written as IPv6 is one of IPv4. Anything else: `undefined`. */
export function parseAddress(text: string): Uint8Array | undefined {
  const address = bytesOf(text)
  return address !== undefined && isMapped(address) ? address.subarray(MAPPED.length) : address
}

export function isWithin(address: Uint8Array, network: Network): boolean {
  if (address.length !== network.address.length) return false
  return address.every((byte, index) => {
    const unused = Math.max(0, Math.min(8, 8 * (index + 1) - network.prefix))
    return byte >> unused === (network.address[index] as number) >> unused
  })
}

function isMapped(address: Uint8Array): boolean {
  return address.length === V6_BYTES && MAPPED.every((byte, index) => address[index] === byte)
}

function bytesOf(text: string): Uint8Array | undefined {
  return text.includes(':') ? v6Of(text) : v4Of(text)
}

/** Four decimal numbers without leading zeros, which some programs read as octal. */
function v4Of(text: string): Uint8Array | undefined {
  const parts = text.split('.', V4_BYTES + 1)
  const isByte = (part: string): boolean => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 0xff
  return parts.length === V4_BYTES && parts.every(isByte) ? Uint8Array.from(parts, Number) : undefined
}

function v6Of(text: string): Uint8Array | undefined {
  const [before, after, ...more] = text.split('::', 3)
  if (before === undefined || more.length > 0) return undefined
  const head = groupsOf(before, after === undefined)
  const tail = groupsOf(after ?? '', true)
  if (head === undefined || tail === undefined) return undefined
  const missing = V6_BYTES - head.length - tail.length
  if (after === undefined ? missing !== 0 : missing < 2) return undefined
  return Uint8Array.from([...head, ...Array<number>(missing).fill(0), ...tail])
}

/** Bytes of `2001:db8`, and of `ffff:10.1.2.3` where an IPv4 address may end it; none of an empty text. */
function groupsOf(text: string, mayEndAsV4: boolean): number[] | undefined {
  if (text === '') return []
  const groups = text.split(':', V6_BYTES)
  const v4 = mayEndAsV4 ? v4Of(groups.at(-1) ?? '') : undefined
  const others = v4 === undefined ? groups : groups.slice(0, -1)
  if (!others.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined
  return [
    ...others.map((group) => Number.parseInt(group, 16)).flatMap((group) => [group >> 8, group & 0xff]),
    ...(v4 ?? []),
  ]
}
