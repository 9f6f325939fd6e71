import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from '../support/bridge-process.ts'
import type { Host } from './host.ts'

/** A program that carries logs from SLS to HEC, and how to start one replica of it. */
export interface Subject {
  readonly name: string
  /** The topics that it wants. */
  readonly topics: readonly string[]
  /** It dead-letters, and gives each event an id. */
  readonly keepsTheContract: boolean
  start(place: Place): { program: string; args: string[]; env: NodeJS.ProcessEnv }
}

/** Host, service and SIEM of a replica. */
export interface Place {
  readonly host: Host
  readonly consumer: string
  readonly slsPort: number
  readonly hecPort: number
  readonly token: string
  /** A collector in place of HEC. */
  readonly syslog: { readonly scheme: string; readonly port: number } | undefined
  /** A second address of the receiver, and the certificate of its authority. */
  readonly tls: { readonly port: number; readonly ca: string } | undefined
  /** Of the consumer group, besides endpoint and key pair. */
  readonly settings: Record<string, string>
}

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const SAMPLE = fileURLToPath(new URL('vendor_sample.py', import.meta.url))
const PYTHON = fileURLToPath(new URL('../conformance/.tools/python/bin/python', import.meta.url))

/** The environment that the launcher and the image set (bin/sls-siem-bridge.cjs). */
const AS_INSTALLED = { MALLOC_MMAP_THRESHOLD_: '131072' }

/** Short times, so that a lease ends and a time-out passes within seconds. */
const HASTE = {
  ...{ SLS_HEARTBEAT_SECONDS: '1', SLS_FETCH_INTERVAL_SECONDS: '0.1' },
  MAX_IN_FLIGHT_BYTES: String(16 << 20),
}
const HEC_HASTE = {
  SPLUNK_HEC_TIMEOUT_SECONDS: '3',
  ...{ SPLUNK_HEC_ACK_POLL_SECONDS: '0.2', SPLUNK_HEC_ACK_TIMEOUT_SECONDS: '5' },
}

/** `main`: of another checkout, for a bridge with a bug in it. */
export function bridge(topics: readonly string[], env: Record<string, string> = {}, main = MAIN): Subject {
  return {
    ...{ name: 'sls-siem-bridge', topics, keepsTheContract: true },
    start: ({ host, consumer, slsPort, hecPort, token, syslog, tls, settings }) => ({
      ...{ program: process.execPath, args: [main, 'run'] },
      env: {
        ...{ ...cleanEnvironment(), ...AS_INSTALLED, ...host.clockEnvironment(), ...settings, ...HASTE },
        ...{ SLS_ENDPOINT: `http://${host.gateway}:${slsPort}`, SLS_CONSUMER: consumer },
        ...(syslog ? collector(host, consumer, syslog) : hec(host, hecPort, token)),
        ...(tls && secondEndpoint(host, hecPort, tls)),
        ...{ FILTER_TOPICS: topics.join(','), DEAD_LETTER_DIR: host.disk },
        ...{ ADMIN_HOST: '0.0.0.0', ADMIN_PORT: '9464', ...env },
      },
    }),
  }
}

function hec(host: Host, port: number, token: string): Record<string, string> {
  return { SPLUNK_HEC_URL: `http://${host.gateway}:${port}`, SPLUNK_HEC_TOKEN: token, ...HEC_HASTE }
}

/** Its messages are told apart by the name of their replica. */
function collector(
  host: Host,
  consumer: string,
  { scheme, port }: NonNullable<Place['syslog']>,
): Record<string, string> {
  const [replica = ''] = consumer.split('.')
  return { SYSLOG_URL: `${scheme}://${host.gateway}:${port}`, SYSLOG_APP_NAME: replica, SYSLOG_MAX_BYTES: '1MB' }
}

function secondEndpoint(host: Host, hecPort: number, { port, ca }: NonNullable<Place['tls']>): Record<string, string> {
  const caFile = join(host.directory, 'ca.pem')
  writeFileSync(caFile, ca)
  const urls = `http://${host.gateway}:${hecPort},https://${host.gateway}:${port}`
  return { SPLUNK_HEC_URL: urls, SPLUNK_HEC_TLS_CA_FILE: caFile }
}

/**
 * The vendor's Python sample (`tests/consumer_group_examples/sync_data_to_splunk.py` of aliyun/aliyun-log-python-sdk), as
 * it is but for its settings. `path`: where you have it; it is in no package.
 */
export function vendorSample(path: string): Subject {
  return {
    ...{ name: "the vendor's sample", topics: [], keepsTheContract: false },
    start: ({ host, slsPort, hecPort, token, settings }) => ({
      ...{ program: PYTHON, args: [SAMPLE, path] },
      env: {
        ...{ ...cleanEnvironment(), ...settings },
        // Its SDK only connects to names; an emulator is reached as a proxy.
        ...{ SLS_ENDPOINT: 'http://cn-local.log.test', http_proxy: `http://${host.gateway}:${slsPort}` },
        ...{ no_proxy: host.gateway, HEC_HOST: host.gateway, HEC_PORT: `${hecPort}`, HEC_TOKEN: token },
      },
    }),
  }
}
