import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** PEM files. */
interface Identity {
  cert: string
  key: string
}

export interface Certificates {
  /** The authority's certificate. */
  ca: string
  /** For 127.0.0.1. */
  server: Identity
  client: Identity
}

/**
 * Makes a certificate authority in `folder`, and a server and a client certificate signed by it, valid for two days. `names`:
 * names of the server, besides 127.0.0.1.
 */
export async function issueCertificates(folder: string, names: readonly string[] = []): Promise<Certificates> {
  const ca = await identity(folder, 'ca', ['-x509', '-days', '2'])
  const issue = async (name: string, extensions: string): Promise<Identity> => {
    const extensionFile = join(folder, `${name}.extensions`)
    writeFileSync(extensionFile, extensions)
    const request = await identity(folder, name, [])
    const cert = join(folder, `${name}.pem`)
    const authority = ['-CA', ca.cert, '-CAkey', ca.key, '-CAcreateserial']
    const what = ['-in', request.cert, '-extfile', extensionFile, '-days', '2', '-out', cert]
    await openssl('x509', '-req', ...what, ...authority)
    return { cert, key: request.key }
  }
  const alternatives = ['IP:127.0.0.1', ...names.map((name) => `DNS:${name}`)].join(',')
  return {
    ca: ca.cert,
    server: await issue('server', `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth\n`),
    client: await issue('client', 'extendedKeyUsage=clientAuth\n'),
  }
}

/** Makes a new key and a certificate or (without `-x509`) a certificate request. */
async function identity(folder: string, name: string, options: string[]): Promise<Identity> {
  const made = { cert: join(folder, `${name}.made.pem`), key: join(folder, `${name}.key`) }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', made.key]
  await openssl('req', ...options, ...key, '-subj', `/CN=${name}`, '-out', made.cert)
  return made
}

async function openssl(...args: string[]): Promise<void> {
  try {
    await promisify(execFile)('openssl', args)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Error(
      'openssl is not installed; it makes the certificates. Leave otel out of CONFORMANCE to run without it',
    )
  }
}
