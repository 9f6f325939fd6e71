import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isWithin, parseAddress, parseNetwork } from '../../../src/routing/network.ts'

/** Texts near to addresses. */
const nearly = fc
  .array(fc.constantFrom('0', '1', '9', '25', '255', '256', 'f', 'ffff', 'db8', '.', '.', ':', ':', '::', '01'), {
    maxLength: 12,
  })
  .map((parts) => parts.join(''))

test('the same texts are addresses as for the system', () => {
  fc.assert(
    fc.property(fc.oneof(nearly, fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
      // The system takes a zone behind the address. A log's address with a zone is in no network.
      expect(parseAddress(text) !== undefined).toBe(isIP(text) > 0 && !text.includes('%'))
    }),
    { numRuns: 5000, interruptAfterTimeLimit: 2000 },
  )
})

const v4Network = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.constant('ipv4' as const))
const v6Network = fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }), fc.constant('ipv6' as const))
const near = fc.tuple(fc.nat(255), fc.nat(255)).map(([a, b]) => `10.0.${a}.${b}`)

test('an address is in a network as for the system', () => {
  fc.assert(
    fc.property(
      fc.oneof(v4Network, v6Network, fc.tuple(near, fc.integer({ min: 16, max: 32 }), fc.constant('ipv4' as const))),
      fc.oneof(fc.ipV4(), fc.ipV6(), near),
      ([base, prefix, family], text) => {
        const network = parseNetwork(`${base}/${prefix}`)
        const address = parseAddress(text)
        if (typeof network === 'string' || address === undefined) throw new Error(`${base} ${text}`)
        const system = new BlockList()
        system.addSubnet(base, prefix, family)
        const own = isIP(text) === 4 ? 'ipv4' : 'ipv6'
        // The system sees IPv4 addresses in networks of IPv6, and the reverse. We don't.
        if (own === family && address.length === network.address.length) {
          expect(isWithin(address, network)).toBe(system.check(text, own))
        }
      },
    ),
    { numRuns: 3000, interruptAfterTimeLimit: 2000 },
  )
})

const within = (address: string, network: string): boolean => {
  const [parsed, parsedNetwork] = [parseAddress(address), parseNetwork(network)]
  return typeof parsedNetwork !== 'string' && parsed !== undefined && isWithin(parsed, parsedNetwork)
}

test('an IPv4 address that is written as IPv6 is one of IPv4', () => {
  expect(within('::ffff:10.1.2.3', '10.0.0.0/8')).toBe(true)
  expect(within('::ffff:a01:203', '10.0.0.0/8')).toBe(true)
  expect(within('10.1.2.3', '::ffff:10.0.0.0/104')).toBe(true)
  expect(within('10.1.2.3', '::/0')).toBe(false)
  expect(within('2001:db8::1', '0.0.0.0/0')).toBe(false)
  expect(within('0.0.0.0', '0.0.0.0/0')).toBe(true)
  expect(within('10.1.2.3', '10.1.2.3')).toBe(true)
  expect(within('10.1.2.4', '10.1.2.3')).toBe(false)
})

test.for(['', '/', '/8', '10.0.0.0/', '10.0.0.0/33', '10.0.0/8', '::/129', '10.0.0.0/8/8', 'lan', '10.0.0.0/-1'])(
  '%j is no network',
  (text) => {
    expect(parseNetwork(text)).toBeTypeOf('string')
  },
)
