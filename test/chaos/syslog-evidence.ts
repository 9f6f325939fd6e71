/**
 * Restarts rsyslog ten times under load, once for each way, and prints the rows of docs/evidence.md about syslog. Needs
 * `CONFORMANCE=syslog,python bash test/conformance/install.sh`, and for the sample root, since it only knows port 514.
 *
 *   node test/chaos/syslog-evidence.ts [--restarts 10] [--sample path/to/sync_data_to_syslog.py]
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Carrier } from '../conformance/syslog-restarts.ts'
import { underRestarts } from '../conformance/syslog-restarts.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const SAMPLE = fileURLToPath(new URL('vendor_syslog_sample.py', import.meta.url))
const PYTHON = fileURLToPath(new URL('../conformance/.tools/python/bin/python', import.meta.url))
const GROUP = 'evidence'
const SAMPLE_PORT = 514

const { values } = parseArgs({ options: { restarts: { type: 'string', default: '10' }, sample: { type: 'string' } } })

function ending(child: ChildProcess, signal: NodeJS.Signals): () => Promise<void> {
  return async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const closed = once(child, 'close')
    child.kill(signal)
    await closed
  }
}

function bridge(input: 'tcp' | 'relp', folder: string): Carrier {
  return {
    ...{ group: GROUP, input },
    start: (sls, rsyslog) => {
      const env = {
        ...{ PATH: process.env['PATH'], ...sls, SYSLOG_URL: rsyslog.url(input), ADMIN_PORT: '0' },
        ...{ DEAD_LETTER_DIR: join(folder, 'dead-letter'), SLS_HEARTBEAT_SECONDS: '1' },
        ...{ SLS_FETCH_INTERVAL_SECONDS: '0.1' },
      }
      return ending(spawn(process.execPath, [MAIN, 'run'], { cwd: folder, env, stdio: 'ignore' }), 'SIGTERM')
    },
  }
}

function sample(path: string, folder: string): Carrier {
  return {
    ...{ group: GROUP, input: 'tcp' },
    start: (sls) => {
      const env = {
        ...{ PATH: process.env['PATH'], ...sls, SYSLOG_HOST: '127.0.0.1', no_proxy: '127.0.0.1' },
        // Its SDK only connects to names; an emulator is reached as a proxy.
        ...{ SLS_ENDPOINT: 'http://cn-local.log.test', http_proxy: sls['SLS_ENDPOINT'] },
      }
      return ending(spawn(PYTHON, [SAMPLE, path], { cwd: folder, env, stdio: 'ignore' }), 'SIGKILL')
    },
  }
}

const ways: Array<[title: string, carrier: (folder: string) => Carrier]> = [
  ['bridge, drain', (folder) => bridge('tcp', folder)],
  ['bridge, RELP', (folder) => bridge('relp', folder)],
]
const { sample: path, restarts } = values
if (path !== undefined) ways.push(["vendor's syslog sample", (folder) => sample(path, folder)])

for (const [title, carrier] of ways) {
  const folder = mkdtempSync(join(tmpdir(), 'syslog-evidence-'))
  const ports = title.startsWith('bridge') ? {} : { tcp: SAMPLE_PORT }
  const [outcome] = await underRestarts([carrier(folder)], { folder, restarts: Number(restarts), ports })
  rmSync(folder, { recursive: true, force: true })
  if (outcome === undefined) continue
  const { wanted, delivered, duplicated, missing, unexplained } = outcome
  console.log(`| ${[title, wanted, delivered, duplicated, missing].join(' | ')} |`)
  if (unexplained.length > 0 && title.startsWith('bridge')) throw new Error(unexplained.slice(0, 5).join('\n'))
}
