import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { MAIN } from '../support/bridge-process.ts'
import { Scenario } from '../support/scenario.ts'
import { selfSigned } from '../unit/emulator/hec/certificate.ts'

/** All of what a person needs for a first replica, except the address of Log Service. */
const COMPLETE = {
  SLS_ENDPOINT: 'http://127.0.0.1:9',
  SLS_AK_ID: 'an-id',
  SLS_AK_KEY: 'a-key',
  SLS_PROJECT: 'audit-prod',
  SLS_LOGSTORE: 'audit-log',
  SLS_CG: 'siem',
  SPLUNK_HEC_URL: 'http://127.0.0.1:9',
  SPLUNK_HEC_TOKEN: 'a-token',
}

interface Said {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function lines(env: Record<string, string>): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

/** All that a command says in a new folder with these files. The folder's path is told as `FOLDER`. */
async function said(args: string[], files: Record<string, string>, env: Record<string, string> = {}): Promise<Said> {
  const folder = mkdtempSync(join(tmpdir(), 'first-hour-'))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), closed])
  rmSync(folder, { recursive: true })
  const plain = (words: string) => words.replaceAll(folder, 'FOLDER')
  return { code, stdout: plain(stdout), stderr: plain(stderr) }
}

describe.concurrent('the whole of what is said about .env', () => {
  test('one bad line is one problem', async () => {
    const env = lines(COMPLETE).replace('SLS_AK_KEY=', 'SLS_AK_KEY: ')
    expect(await said(['run'], { '.env': env })).toEqual({
      code: 2,
      stdout: '',
      stderr: `The configuration has a problem:

  FOLDER/.env
      line 3 is not NAME=value
      allowed: NAME=value lines, # comments, and values in one kind of quotes

docs/configuration.md describes every variable.
`,
    })
  })

  test('a name that nothing reads is named, with the one that was meant', async () => {
    const { SPLUNK_HEC_TOKEN, FILTER_TOPICS, ...others } = { ...COMPLETE, FILTER_TOPICS: 'audit' }
    const env = lines({ ...others, SPLUNK_TOKEN: 'a-token', SLS_TOPIC: 'audit', SPLUNK_INDEX: 'main', SLS_XYZ: 'x' })
    expect(await said(['check', '--static'], { '.env': env })).toEqual({
      code: 2,
      stdout: 'not ready: 1 failed\n',
      stderr: `The configuration has a problem:

  SPLUNK_HEC_TOKEN
      is required and not set
      allowed: printable ASCII without spaces; the token alone
      example: SPLUNK_HEC_TOKEN=00000000-0000-0000-0000-000000000000

docs/configuration.md describes every variable.
Settings come from: FOLDER/.env, and the environment.

warning: SLS_TOPIC is not a variable of this program

warning: SLS_XYZ is not a variable of this program

warning: SPLUNK_INDEX in .env is not a variable of this program, and has no effect; did you mean SPLUNK_HEC_INDEX?

warning: SPLUNK_TOKEN in .env is not a variable of this program, and has no effect; did you mean SPLUNK_HEC_TOKEN?
`,
    })
  })

  test('names of other tools, and a name that stands twice', async () => {
    const { SLS_AK_ID, SLS_AK_KEY, SLS_CG, SPLUNK_HEC_TOKEN, ...others } = COMPLETE
    const theirs = { SLS_ACCESS_KEY_ID: 'id', SLS_ACCESS_KEY_SECRET: 'x', SLS_CONSUMER_GROUP: 'siem', HEC_TOKEN: 'x' }
    const env = `${lines({ ...others, ...theirs })}SLS_PROJECT=other\n`
    const { stdout, stderr } = await said(['check', '--static'], { '.env': env })
    expect(stdout).toBe('not ready: 4 failed\n')
    expect(stderr.split('\n\n').slice(-5)).toEqual([
      'warning: SLS_PROJECT stands in .env more than once, on lines 2, 9: the last one counts',
      'warning: SLS_ACCESS_KEY_ID is not a variable of this program; did you mean SLS_AK_ID?',
      'warning: SLS_ACCESS_KEY_SECRET is not a variable of this program; did you mean SLS_AK_KEY?',
      'warning: SLS_CONSUMER_GROUP is not a variable of this program; did you mean SLS_CG?',
      'warning: HEC_TOKEN in .env is not a variable of this program, and has no effect; did you mean SPLUNK_HEC_TOKEN?\n',
    ])
  })

  test('typographic quotes, and a page of Splunk Web', async () => {
    const env = lines({
      ...COMPLETE,
      SPLUNK_HEC_URL: 'https://splunk.example.com:8000/en-US/app/search',
      SPLUNK_HEC_TOKEN: '“a-token”',
    })
    expect((await said(['check', '--static'], { '.env': env })).stderr).toBe(`The configuration has 2 problems:

  SPLUNK_HEC_URL=https://splunk.example.com:8000/en-US/app/search
      is an address of Splunk Web: the collector has a port of its own, mostly https://splunk.example.com:8088
      allowed: http:// or https:// URL of the collector, several separated by commas; no credentials, query or fragment
      example: SPLUNK_HEC_URL=https://splunk.example.com:8088

  SPLUNK_HEC_TOKEN
      is wrapped in typographic quotes: give the value alone
      allowed: printable ASCII without spaces; the token alone
      example: SPLUNK_HEC_TOKEN=00000000-0000-0000-0000-000000000000

docs/configuration.md describes every variable.
Settings come from: FOLDER/.env, and the environment.
`)
  })

  test('a region in place of its endpoint', async () => {
    const env = lines({ ...COMPLETE, SLS_ENDPOINT: 'cn-hangzhou' })
    expect((await said(['check', '--static'], { '.env': env })).stdout).toContain(
      'warn  configuration          SLS_ENDPOINT is a region: the endpoint of Log Service there is cn-hangzhou.log.aliyuncs.com\n',
    )
  })

  test('.env given as the configuration file is one problem', async () => {
    expect(
      (await said(['check', '--static', '--config', '.env'], { '.env': lines(COMPLETE) })).stderr,
    ).toBe(`The configuration has a problem:

  .env:1:1
      is text, not a map
      allowed: a map

docs/configuration-file.md describes every key.
Settings come from: FOLDER/.env, and the environment.
`)
  })

  test('a variable of the environment that counts more is named, without its value', async () => {
    const { code, stdout } = await said(['check', '--static'], { '.env': lines(COMPLETE) }, { SLS_CG: 'siem-2' })
    expect(stdout).toBe(
      `ok    configuration          audit-prod/audit-log → http://127.0.0.1:9
ok    settings               FOLDER/.env, and the environment, which overrides SLS_CG
ready
`,
    )
    expect(code).toBe(0)
  })

  test('that there is none', async () => {
    const { code, stderr } = await said(['lag'], {}, { ...COMPLETE, SLS_CG: '' })
    expect(stderr).toBe(`The configuration has a problem:

  SLS_CG
      is required and not set
      allowed: 2 to 63 of a-z, 0-9, _ and -; first and last a letter or digit
      example: SLS_CG=siem-bridge

docs/configuration.md describes every variable.
Settings come from: there is no FOLDER/.env: the environment alone counts.
`)
    expect(code).toBe(2)
  })
})

/** The lines of checks that failed, without what follows from them, and the verdict. */
function blamed(stdout: string): string[] {
  const shown = stdout.trimEnd().split('\n')
  return shown.filter((line, i) => /^(FAIL|not ready)/.test(line) || shown[i - 1]?.startsWith('FAIL'))
}

const page = (status: number, body: string, headers: Record<string, string> = {}) =>
  listening(createServer((_, response) => response.writeHead(status, headers).end(body)))

async function listening(server: Server): Promise<{ url: string } & AsyncDisposable> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = (): void => {
    server.closeAllConnections()
    server.close()
  }
  return { url, [Symbol.asyncDispose]: async () => close() }
}

describe('check blames what is wrong, and nothing else', () => {
  test('at the address of Splunk', async () => {
    await using login = await page(200, '<html>Please log in</html>')
    await using nowhere = await page(404, '<html>not here</html>')
    await using proxy = await page(407, '<html>a proxy</html>')
    await using down = await page(502, '<html>bad gateway</html>')
    const sls = await startSlsEmulator()
    const env = { ...COMPLETE, ...sls.environment(), ADMIN_PORT: '0' } as Record<string, string>
    const urls = { login, nowhere, proxy, down }
    const answers = await Promise.all([
      ...Object.values(urls).map(({ url }) => said(['check'], {}, { ...env, SPLUNK_HEC_URL: url })),
      said(['check'], {}, { ...env, SPLUNK_HEC_URL: 'http://127.0.0.1:9' }),
      said(['check'], {}, { ...env, SPLUNK_HEC_URL: sls.url.replace('http:', 'https:') }),
      said(['check'], {}, { ...env, SPLUNK_HEC_URL: `${login.url}/splunk` }),
      said(['check'], {}, { ...env, SPLUNK_HEC_URL: `${login.url}/splunk/services/collector` }),
    ])
    await sls.close()
    const notTried = 'not ready: 1 failed; not tried: HEC health, HEC body size, HEC index'
    const at = ({ url }: { url: string }, words: string) =>
      `FAIL  HEC address            ${url}/services/collector/event: HEC answered ${words}`
    const elsewhere =
      '                             → Check SPLUNK_HEC_URL: what answered there is not the HTTP Event Collector (8088, or 443 on Splunk Cloud).'
    const [atLogin, atNowhere, atProxy, atDown, closed, wrongScheme, prefix, prefixed] = answers
    expect(blamed(atLogin?.stdout ?? '')).toEqual([
      at(login, "HTTP 200 without Splunk's answer: <html>Please log in</html>"),
      elsewhere.replace(
        '→ ',
        '→ Something in front of Splunk answers, a proxy or a login page for example, or another program. ',
      ),
      notTried,
    ])
    expect(blamed(atNowhere?.stdout ?? '')).toEqual([
      at(nowhere, 'HTTP 404: <html>not here</html>'),
      elsewhere,
      notTried,
    ])
    expect(blamed(atProxy?.stdout ?? '')).toEqual([at(proxy, 'HTTP 407: <html>a proxy</html>'), elsewhere, notTried])
    expect(blamed(atDown?.stdout ?? '')).toEqual([
      at(down, 'HTTP 502: <html>bad gateway</html>'),
      '                             → What answered there is not the HTTP Event Collector, or a gateway before it does not reach it.',
      notTried,
    ])
    expect(blamed(closed?.stdout ?? '')).toEqual([
      'FAIL  HEC address            cannot connect to http://127.0.0.1:9: nothing listens there (connect ECONNREFUSED 127.0.0.1:9)',
      '                             → If it goes on: check host and port in SPLUNK_HEC_URL, name resolution, and the firewalls on the way.',
      notTried,
    ])
    expect(blamed(wrongScheme?.stdout ?? '')).toEqual([
      expect.stringMatching(/^FAIL {2}HEC TLS .* no handshake came about \(wrong version number \(\w+\)\)$/),
      '                             → The TLS handshake failed: check scheme and port in SPLUNK_HEC_URL and the SPLUNK_HEC_TLS_* settings.',
      'not ready: 1 failed; not tried: HEC token, HEC health, HEC body size, HEC index',
    ])
    expect(prefix?.stderr).toContain(
      `      has the path /splunk, which does not end in /services/collector: write ${login.url}/splunk/services/collector if a proxy has this prefix. The bridge then asks ${login.url}/splunk/services/collector/event\n`,
    )
    expect(prefixed?.stdout).toContain(
      `HEC address            ${login.url}/splunk/services/collector/event: HEC answered`,
    )
  })

  test('at a certificate of a CA of one’s own, until the system’s store counts', async () => {
    const certificate = selfSigned('localhost')
    const json = { 'content-type': 'application/json' }
    const splunk = createTlsServer(certificate, (_, response) => {
      response.writeHead(400, json).end('{"text":"No data","code":5}')
    })
    await using server = await listening(splunk)
    const env = {
      ...COMPLETE,
      ADMIN_PORT: '0',
      SPLUNK_HEC_URL: server.url.replace('http://127.0.0.1', 'https://localhost'),
    }
    const files = { 'ca.pem': certificate.cert }
    const [refused, trusted] = await Promise.all([
      said(['check'], files, env),
      said(['check'], files, { ...env, NODE_USE_SYSTEM_CA: '1', SSL_CERT_FILE: 'ca.pem' }),
    ])
    const [, , tls, advice] = blamed(refused.stdout)
    expect(tls).toBe(
      `FAIL  HEC TLS                TLS to ${env.SPLUNK_HEC_URL}: the server's certificate is refused: no CA that we trust has signed it (self-signed certificate (DEPTH_ZERO_SELF_SIGNED_CERT))`,
    )
    expect(advice).toBe(
      "                             → Give the root CA of the certificate in SPLUNK_HEC_TLS_CA_FILE, and let the server send the CAs between (or, knowingly, SPLUNK_HEC_TLS_VERIFY=false). If the system's store has it: NODE_USE_SYSTEM_CA=1.",
    )
    expect(trusted.stdout).toMatch(/^ok {4}HEC TLS .*: TLSv1\.3, localhost, valid until 2049-12-31$/m)
  })

  test('at the address of Log Service', async () => {
    await using login = await page(200, '<html>Please log in</html>')
    const hec = await startHecReceiver()
    const sls = await startSlsEmulator()
    const env = { ...COMPLETE, ...sls.environment(), ...hec.environment(), ADMIN_PORT: '0' } as Record<string, string>
    const answers = await Promise.all([
      said(['check'], {}, { ...env, SLS_ENDPOINT: 'http://127.0.0.1:9' }),
      said(['check'], {}, { ...env, SLS_ENDPOINT: login.url }),
      said(['check'], {}, { ...env, SLS_PROJECT: 'nosuch' }),
      said(['check'], {}, { ...env, SLS_LOGSTORE: 'nosuch' }),
      said(['check'], {}, { ...env, SLS_AK_ID: 'LTAIwrong' }),
      said(['check'], {}, { ...env, SLS_ENDPOINT: 'cn-hangzhou-intranet.log.invalid' }),
    ])
    await Promise.all([hec.close(), sls.close()])
    const host = (url: string) => new URL(url).host
    const others =
      'SLS logstore, SLS consumer group, SLS consumer name, SLS read permission, SLS query, SLS write permission, SLS topics, SLS JSON fields'
    const advice = (words: string) => `                             → ${words}`
    const lines = answers.map(({ stdout }) => blamed(stdout.replace(/request [0-9A-F]+/g, 'request ID')))
    expect(lines).toEqual([
      [
        'FAIL  SLS address            ListShards to 127.0.0.1:9 failed: nothing listens there (connect ECONNREFUSED 127.0.0.1:9)',
        advice('Check SLS_ENDPOINT, DNS and the network of this machine. Inside a VPC use the -intranet endpoint.'),
        `not ready: 1 failed; not tried: SLS clock, SLS credentials, ${others}`,
      ],
      [
        `FAIL  SLS address            ListShards: unusable answer from emulator.${host(login.url)}: the body is not JSON: <html>Please log in</html>`,
        advice('What answers there is not Log Service: check SLS_ENDPOINT, and proxies on the way.'),
        `not ready: 1 failed; not tried: ${others}`,
      ],
      [
        'FAIL  SLS project            ListShards failed: The Project does not exist : nosuch (ProjectNotExist, HTTP 404, request ID)',
        advice(
          `Check SLS_PROJECT (nosuch) and that SLS_ENDPOINT is the endpoint of its region (asked: nosuch.${host(sls.url)}).`,
        ),
        `not ready: 1 failed; not tried: ${others}`,
      ],
      [
        'FAIL  SLS logstore           ListShards failed: logstore nosuch does not exist (LogStoreNotExist, HTTP 404, request ID)',
        advice('Check SLS_LOGSTORE: project emulator has no logstore nosuch.'),
        `not ready: 1 failed; not tried: ${others.replace('SLS logstore, ', '')}`,
      ],
      [
        'FAIL  SLS credentials        ListShards failed: the access key id LTAIwrong does not exist (InvalidAccessKeyId, HTTP 401, request ID)',
        advice('Check SLS_AK_ID: the access key does not exist, is disabled, or was cut when copied.'),
        `not ready: 1 failed; not tried: ${others}`,
      ],
      [
        expect.stringMatching(/^FAIL {2}SLS address .* failed: (its name does not resolve|no name server answers) /),
        advice(
          'The -intranet endpoint answers only inside a VPC of its region. Elsewhere, SLS_ENDPOINT is cn-hangzhou.log.invalid.',
        ),
        `not ready: 1 failed; not tried: SLS clock, SLS credentials, ${others}`,
      ],
    ])
  })
})

test('a topic in another case: check shows the topics that come, and the replica says once that it takes none', async () => {
  const scenario = await Scenario.start({ sls: { shards: 2 } })
  await scenario.write(1_500, { kinds: ['audit'] })
  const env = { ...scenario.environment(), FILTER_TOPICS: 'Audit_Log' }
  const { stdout } = await said(['check'], {}, env)
  const found = stdout.replace(/\b\d{4}\b/g, 'N').split('\n')
  expect(found.slice(found.findIndex((line) => line.includes('SLS topics'))).slice(0, 2)).toEqual([
    'warn  SLS topics             the newest N logs of 2 shards; dropped: audit_log N',
    '                             → FILTER_TOPICS wants none of these logs. Write the names as they stand here, or leave FILTER_TOPICS out to get all.',
  ])
  const replica = scenario.replica({ FILTER_TOPICS: 'Audit_Log' })
  const { level, msg } = await replica.line(/nothing of .* is delivered/)
  expect([level, msg.replace(/its \d+ logs/, 'its N logs')]).toEqual([
    'warn',
    `nothing of ${scenario.logstore.project}/${scenario.logstore.name} is delivered: filters and routes took none of its N logs so far. Compare these topics with FILTER_TOPICS, or topics and routes of the configuration file; sls-siem-bridge check shows what they take`,
  ])
  const page = await (await fetch(await replica.adminUrl())).text()
  expect(page.replace(/<[^>]*>/g, ' ')).toMatch(/audit_log\s+\d+\s+0\s+\d+/)
})

test('a second replica of one name says so, in its log and on its page', async () => {
  const scenario = await Scenario.start()
  const first = scenario.replica({ SLS_CONSUMER: 'one' })
  await first.line(/took shard/)
  const second = scenario.replica({ SLS_CONSUMER: 'one' })
  const { msg } = await second.line(/another process/)
  expect(msg).toBe(
    `another process on this machine is one in the consumer group scenario of ${scenario.logstore.project}/${scenario.logstore.name}, too: both deliver the same logs. Give each replica its own SLS_CONSUMER`,
  )
  const status = JSON.stringify(await (await fetch(`${await second.adminUrl()}/status.json`)).json())
  expect(status).toContain(msg)
  expect(first.lines.filter((line) => line.msg.includes('another process'))).toEqual([])
})

test('folders in odd places are one error that names the path and what is allowed', async () => {
  const places = { DEAD_LETTER_DIR: '/proc/1/letters', LOG_FILE: '.env/logs/bridge.log' }
  expect(await said(['check', '--static'], { '.env': lines({ ...COMPLETE, ...places }) })).toEqual({
    code: 2,
    stdout: 'not ready: 2 failed\n',
    stderr: `The configuration has 2 problems:

  DEAD_LETTER_DIR=/proc/1/letters
      /proc/1 belongs to the kernel, and no folder can be made there
      allowed: path of a directory
      example: DEAD_LETTER_DIR=/var/lib/sls-siem-bridge/dead-letter

  LOG_FILE=.env/logs/bridge.log
      FOLDER/.env exists and is not a directory
      allowed: path of a plain file
      example: LOG_FILE=/var/log/sls-siem-bridge/bridge.log

docs/configuration.md describes every variable.
Settings come from: FOLDER/.env, and the environment.
`,
  })
})
