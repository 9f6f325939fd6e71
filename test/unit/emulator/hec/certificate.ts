import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

/** One DER element: tag, length, contents. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const contents = Buffer.concat(parts)
  const size = contents.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), contents])
}

const sequence = (...parts: Buffer[]) => der(0x30, ...parts)
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const text = (tag: number, value: string) => der(tag, Buffer.from(value))

/** `YYMMDDhhmmssZ`. */
function utcTime(date: Date): string {
  return `${date.toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '').slice(2)}`
}

const ECDSA_WITH_SHA256 = sequence(oid('2a8648ce3d040302'))
const RSA_WITH_SHA256 = sequence(oid('2a864886f70d01010b'), der(0x05))
/** Extended key usage: a client's certificate, and no server's. */
const FOR_CLIENTS = sequence(oid('551d25'), der(0x04, sequence(oid('2b06010505070302'))))

interface Odd {
  /** An RSA key of so many bits. */
  readonly rsaBits?: number
  readonly forClientsOnly?: boolean
  /** More IPv4 addresses that it is for. */
  readonly addresses?: readonly string[]
}

/** A self-signed certificate for a name and for 127.0.0.1; Node can use X.509 but not make it. */
export function selfSigned(
  name: string,
  until = new Date('2049-12-31T23:59:59Z'),
  { rsaBits, forClientsOnly = false, addresses = [] }: Odd = {},
): { key: string; cert: string } {
  const { privateKey, publicKey } =
    rsaBits === undefined
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: rsaBits })
  const algorithm = rsaBits === undefined ? ECDSA_WITH_SHA256 : RSA_WITH_SHA256
  const subject = sequence(der(0x31, sequence(oid('550403'), text(0x0c, name))))
  const validity = sequence(text(0x17, '200101000000Z'), text(0x17, utcTime(until)))
  const addressed = ['127.0.0.1', ...addresses].map((address) => der(0x87, Buffer.from(address.split('.').map(Number))))
  const alternativeNames = sequence(text(0x82, name), ...addressed)
  const extensions = sequence(
    sequence(oid('551d11'), der(0x04, alternativeNames)),
    ...(forClientsOnly ? [FOR_CLIENTS] : []),
  )
  const serial = Buffer.concat([Buffer.from([1]), randomBytes(8)])
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    algorithm,
    subject,
    validity,
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  )
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, privateKey))
  // An empty line would be no PEM.
  const lines =
    sequence(body, algorithm, signature)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
  }
}
