import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { cleanEnvironment, MAIN, startCommand } from '../support/bridge-process.ts'
import { polled } from '../support/polled.ts'
import { Scenario } from '../support/scenario.ts'

const settings = {
  ...{
    SLS_ENDPOINT: 'http://127.0.0.1:9',
    SLS_AK_ID: 'id',
    SLS_AK_KEY: 'key',
    SLS_PROJECT: 'prod',
    SLS_LOGSTORE: 'ls',
  },
  ...{ SLS_CG: 'siem', SPLUNK_HEC_URL: 'https://127.0.0.1:9', SPLUNK_HEC_TOKEN: 'token', ADMIN_PORT: '0' },
}

function text(lines: Array<{ msg: string }>): string {
  return lines.map(({ msg }) => msg).join('\n')
}

describe('wrong settings', () => {
  test('all problems at once, exit code 2, no stack trace, no secret', async () => {
    const run = startCommand(['run'], {
      SLS_AK_KEY: 'very-secret-key',
      SPLUNK_HEC_TOKEN: 'very-secret-token',
      SPLUNK_HEC_URL: 'ftp://splunk',
      SLS_HEARTBEAT_SECONDS: 'soon',
    })
    expect((await run.exited).code).toBe(2)
    for (const name of [
      'SLS_ENDPOINT',
      'SLS_PROJECT',
      'SLS_LOGSTORE',
      'SLS_CG',
      'SPLUNK_HEC_URL',
      'SLS_HEARTBEAT_SECONDS',
    ]) {
      expect(run.stderr).toContain(name)
    }
    expect(run.stderr).not.toMatch(/very-secret|\n\s+at /)
  })

  test('an admin port that was set and is taken may become free: one clear message and exit code 1', async () => {
    const scenario = await Scenario.start()
    const first = scenario.replica()
    const port = new URL(await first.adminUrl()).port
    const second = scenario.replica({ ADMIN_PORT: port })
    expect((await second.exited).code).toBe(1)
    expect(second.stderr).toMatch(new RegExp(`${port}.*in use\\n  → set ADMIN_PORT to a free port`))
  })
})

describe('what is not there yet at the start of a machine', () => {
  test.each<[string, Record<string, string>]>([
    ['an address of this machine', { ADMIN_HOST: '192.0.2.1' }],
    ['the name of this machine', { ADMIN_HOST: 'this-machine.invalid' }],
    ['a secret', { SLS_AK_ID: '', SLS_AK_ID_FILE: './vault/id' }],
    [
      'a secret and a certificate',
      { SPLUNK_HEC_TOKEN: '', SPLUNK_HEC_TOKEN_FILE: './t', SPLUNK_HEC_TLS_CA_FILE: './ca' },
    ],
    ['the folder of the log file', { LOG_FILE: './volume/bridge.log' }],
  ])('%s: exit code 1, after which a supervisor starts the replica again', async (_, env) => {
    const prepare = (folder: string) => symlinkSync(join(folder, 'not-mounted'), join(folder, 'volume'))
    const run = startCommand(['run'], { ...settings, ...env }, { prepare })
    expect((await run.exited).code).toBe(1)
    for (const name of Object.keys(env).filter((one) => env[one])) {
      expect(run.stderr).toContain(name === 'ADMIN_HOST' ? env[name] : name)
    }
  })

  test('a secret that is a FIFO is not waited for: exit code 2, with its variable', async () => {
    const prepare = (folder: string) => void spawnSync('mkfifo', [join(folder, 'fifo')])
    const run = startCommand(['run'], { ...settings, SLS_AK_KEY: '', SLS_AK_KEY_FILE: './fifo' }, { prepare })
    expect((await run.exited).code).toBe(2)
    expect(run.stderr).toMatch(/SLS_AK_KEY_FILE\n.* it is a FIFO/)
  })

  test('beside a wrong value: exit code 2, and both are said', async () => {
    const run = startCommand(['run'], { ...settings, SPLUNK_HEC_TLS_CA_FILE: './ca', SLS_FETCH_COUNT: 'many' })
    expect((await run.exited).code).toBe(2)
    expect(run.stderr).toContain('SPLUNK_HEC_TLS_CA_FILE')
    expect(run.stderr).toContain('SLS_FETCH_COUNT')
  })
})

test('warnings before a start that fails reach a reader of the log that is slow', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slow-reader-'))
  const path = join(folder, 'log')
  spawnSync('mkfifo', [path])
  const fifo = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  onTestFinished(() => {
    closeSync(fifo)
    rmSync(folder, { recursive: true })
  })
  const full = writeSync(fifo, Buffer.alloc(1 << 20))
  const env = { ...cleanEnvironment(), ...settings, ADMIN_HOST: '192.0.2.1', SPLUNK_HEC_TLS_VERIFY: 'false' }
  const run = spawn(process.execPath, [MAIN, 'run'], { cwd: folder, env, stdio: ['ignore', fifo, 'ignore'] })
  const ended = once(run, 'exit')
  // The log opens its output once more, and its first line follows at once.
  expect(await polled(() => descriptorsOf(run.pid as number, path) > 1)).toBe(true)
  await sleep(200)
  const read = Buffer.alloc(full + 10_000)
  readSync(fifo, read, 0, full, null)
  expect(await ended).toEqual([1, null])
  const length = readSync(fifo, read)
  expect(read.toString('utf8', 0, length)).toMatch(/SPLUNK_HEC_TLS_VERIFY is off/)
})

/** How many descriptors of a process lead to `path`. */
function descriptorsOf(pid: number, path: string): number {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(join(folder, fd)) === path
    } catch {
      return false // closed meanwhile
    }
  }).length
}

describe('a configuration file, without a connection and without secrets', () => {
  const example = fileURLToPath(new URL('../../examples/web-access.yaml', import.meta.url))
  const ran = (args: string[], input = '') => {
    const env = cleanEnvironment()
    const { status, stdout } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', input, env })
    return { status, stdout }
  }

  test('test runs its tests', () => {
    expect(ran(['test', '--config', example])).toEqual({ status: 0, stdout: expect.stringMatching(/\n4 passed\n$/) })
  })

  test('explain reads a log from standard input', () => {
    const { status, stdout } = ran(
      ['explain', '--config', example, '--source', 'web', '--log', '-'],
      '{"status":"502"}',
    )
    expect({ status, last: stdout.trimEnd().split('\n').at(-1) }).toEqual({
      status: 0,
      last: expect.stringMatching(/^\{"time":\d+\.0{9},.*"index":"web","event":\{.*"status":"502"\}/),
    })
  })

  test('schema prints the JSON Schema', () => {
    const { status, stdout } = ran(['schema'])
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ required: ['version', 'sources', 'sinks', 'routes'] })
  })
})

describe('check', () => {
  test('passes against working ends, and creates and ingests nothing', async () => {
    const scenario = await Scenario.start({ hec: { ack: true } })
    const check = startCommand(['check'], scenario.environment())
    expect((await check.exited).code).toBe(0)
    const said = text(check.lines)
    expect(said).toMatch(/indexer acknowledgement on/)
    expect(said).toMatch(/will be created/)
    expect(scenario.sls.state().logstores[0]?.consumerGroups).toEqual([])
    expect(scenario.hec.state().events).toBe(0)
  })

  test('names the fault at each end with advice, and shows no secret', async () => {
    const scenario = await Scenario.start()
    const check = startCommand(['check'], {
      ...scenario.environment(),
      SLS_AK_KEY: 'not-the-secret-key',
      SPLUNK_HEC_TOKEN: 'not-the-token',
    })
    expect((await check.exited).code).toBe(1)
    const said = text(check.lines)
    expect(said).toMatch(/FAIL +SLS credentials/)
    expect(said).toMatch(/FAIL +HEC token/)
    expect(said).not.toMatch(/not-the-secret-key|not-the-token/)
    expect(said.match(/→/g)?.length).toBeGreaterThanOrEqual(2)
  })

  test.each([
    { mode: 0o644, line: /warn +\.env +others may read \S+\.env.*\n +→ chmod 600 / },
    { mode: 0o600, line: /ok +\.env +only its owner/ },
    {
      mode: 0o622,
      line: /warn +\.env +others may choose the settings in \S+\.env: everybody may change it\n +→ chmod 600 /,
    },
  ])('checks the permissions of .env: $mode', async ({ mode, line }) => {
    const scenario = await Scenario.start()
    const prepare = (folder: string): void => {
      const path = join(folder, '.env')
      writeFileSync(path, 'LOG_LEVEL=warn\n')
      chmodSync(path, mode)
    }
    const check = startCommand(['check'], scenario.environment(), { prepare })
    expect((await check.exited).code).toBe(0)
    expect(text(check.lines)).toMatch(line)
  })

  test('and so does the log of a replica', async () => {
    const scenario = await Scenario.start()
    const prepare = (folder: string): void => {
      writeFileSync(join(folder, '.env'), 'LOG_LEVEL=warn\n')
      chmodSync(join(folder, '.env'), 0o666)
    }
    const replica = startCommand(['run'], scenario.environment(), { prepare })
    const { level } = await replica.line(/\.env: others may choose the settings in it: everybody may change it/)
    expect(level).toBe('warn')
    expect((await replica.kill('SIGTERM')).code).toBe(0)
  })

  test('warns of folders in which others may take files away and add their own', async () => {
    const scenario = await Scenario.start()
    const prepare = (folder: string): void => {
      for (const name of ['letters', 'logs']) {
        mkdirSync(join(folder, name))
        chmodSync(join(folder, name), 0o777)
      }
    }
    const env = { ...scenario.environment(), DEAD_LETTER_DIR: './letters', LOG_FILE: './logs/bridge.log' }
    const check = startCommand(['check'], env, { prepare })
    expect((await check.exited).code).toBe(0)
    for (const about of ['dead letter', 'log file']) {
      expect(text(check.lines)).toMatch(
        new RegExp(`warn +${about} .*others may take away files .*everybody may change it`),
      )
    }
  })

  test('with the environment of a running replica, warns of the shared consumer name and not of the port', async () => {
    const scenario = await Scenario.start()
    // A name is in use for three heartbeats after a commit, and `check` may take a while to start.
    const shared = { SLS_CONSUMER: 'one', SLS_HEARTBEAT_SECONDS: '10' }
    const first = scenario.replica(shared)
    const { port } = new URL(await first.adminUrl())
    await scenario.write(1)
    await scenario.caughtUp()
    const check = startCommand(['check'], { ...scenario.environment(), ...shared, ADMIN_PORT: port })
    expect((await check.exited).code).toBe(0)
    expect(text(check.lines)).toMatch(/warn +SLS consumer name +one committed \d+ s ago/)
    expect(text(check.lines)).toMatch(/warn +admin port .*by a replica/)
  })
})

describe('too few descriptors', () => {
  test('are named in the log and on /readyz, while the admin server answers', async () => {
    const scenario = await Scenario.start()
    const run = startCommand(['run'], { ...scenario.environment(), ADMIN_PORT: '0' }, { descriptors: 36 })
    const url = await run.adminUrl()
    const named = /too many open files \(limit 36\): raise ulimit -n/
    await expect.poll(async () => await (await fetch(`${url}/readyz`)).text(), { timeout: 20_000 }).toMatch(named)
    expect((await fetch(`${url}/readyz`)).status).toBe(503)
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    expect(text(run.lines).match(new RegExp(named, 'g'))).toHaveLength(1)
    expect((await run.kill('SIGTERM')).code).toBe(0)
  })

  test('are a warning of check', async () => {
    const scenario = await Scenario.start()
    const check = startCommand(['check'], { ...scenario.environment(), ADMIN_PORT: '0' }, { descriptors: 100 })
    expect((await check.exited).code).toBe(0)
    expect(text(check.lines)).toMatch(/warn +open files +100 may be open, and up to \d{3} are needed/)
  })
})

describe('produce', () => {
  test('writes generated logs with the official client', async () => {
    const scenario = await Scenario.start({ sls: { shards: 2 } })
    const produce = startCommand(['produce', '--logs', '250', '--kind', 'audit'], scenario.environment())
    expect((await produce.exited).code).toBe(0)
    const logs = scenario.sls.state().logstores[0]?.shards.reduce((sum, shard) => sum + shard.logs, 0)
    expect(logs).toBe(250)
  })

  test('takes keys from files, an endpoint with the project in it, and values that end in CR', async () => {
    const scenario = await Scenario.start()
    const { SLS_AK_ID = '', SLS_AK_KEY = '', ...env } = scenario.environment()
    const prepare = (folder: string) => {
      writeFileSync(join(folder, 'id'), `${SLS_AK_ID}\n`)
      writeFileSync(join(folder, 'key'), `${SLS_AK_KEY}\r\n`)
    }
    const { port } = new URL(env['SLS_ENDPOINT'] ?? '')
    const given = { ...env, SLS_ENDPOINT: `http://${env['SLS_PROJECT']}.localhost:${port}\r`, SLS_AK_ID_FILE: './id' }
    const produce = startCommand(['produce', '--logs', '10'], { ...given, SLS_AK_KEY_FILE: './key' }, { prepare })
    const to = `${env['SLS_PROJECT']}/${env['SLS_LOGSTORE']}`
    expect([(await produce.exited).code, produce.stderr]).toEqual([
      0,
      expect.stringContaining(`wrote 10 logs to ${to} in`),
    ])
  })

  test('says what is wrong with the settings, without a stack', async () => {
    const scenario = await Scenario.start()
    const produce = startCommand(['produce'], { ...scenario.environment(), SLS_ENDPOINT: 'http://', SLS_AK_KEY: '' })
    expect((await produce.exited).code).toBe(2)
    expect(produce.stderr).toMatch(/SLS_ENDPOINT=http:/)
    expect(produce.stderr).toMatch(/SLS_AK_KEY\n +is required/)
    expect(produce.stderr).not.toMatch(/\n\s+at /)
  })

  test('shows the refusal of a wrong key without the STS token that Log Service quotes', async () => {
    const scenario = await Scenario.start({ sls: { securityToken: 'hush-sts-token' } })
    const keys = { SLS_AK_KEY: 'hush-wrong-key', SLS_STS_TOKEN: 'hush-sts-token' }
    const produce = startCommand(['produce', '--logs', '10'], { ...scenario.environment(), ...keys })
    expect((await produce.exited).code).toBe(1)
    expect(produce.stderr).toContain('x-acs-security-token:[secret]')
    expect(produce.stderr).not.toContain('hush')
  })
})

test('the demo ends by itself, and leaves nothing, when a log cannot be written', async () => {
  let folder = ''
  const prepare = (made: string) => {
    folder = made
    mkdirSync(join(folder, 'tmp'))
  }
  const env = { TMPDIR: './tmp' }
  const demo = startCommand(['demo', '--logs', '1000000'], env, { prepare })
  const { msg } = await demo.line(/SLS emulator at/)
  const rule = { match: { api: 'PutLogs' }, action: { status: 503, code: 'ServerBusy' } }
  await fetch(`${/http:\/\/[^ ,]+/.exec(msg)?.[0]}/_emulator/faults`, { method: 'POST', body: JSON.stringify(rule) })
  expect((await demo.exited).code).toBe(1)
  expect(demo.stderr).toMatch(/^sls-siem-bridge demo: a log group cannot be written: .*\n$/)
  expect(readdirSync(join(folder, 'tmp'))).toEqual([])
})

test('the demo that is stopped says what it counted so far, and a second Ctrl-C ends it with everything it started', async () => {
  let folder = ''
  const prepare = (made: string) => {
    folder = made
    mkdirSync(join(folder, 'tmp'))
  }
  const stopped = startCommand(['demo'], { TMPDIR: './tmp' }, { prepare })
  await stopped.line(/replica-2 started/)
  expect((await stopped.kill('SIGINT')).code).toBe(1)
  expect(text(stopped.lines)).toMatch(/splunk +\d+ +\d+ +\d+ +\d+ +\d+\n(.*\n)*.*stopped by you/)
  expect(text(stopped.lines)).not.toMatch(/MISSING|act 2/)
  expect(readdirSync(join(folder, 'tmp'))).toEqual([])

  const cut = startCommand(['demo'], { TMPDIR: './tmp' }, { prepare })
  const { msg } = await cut.line(/replica-2 started/)
  cut.child.kill('SIGINT')
  await cut.line(/SIGTERM to/)
  expect((await cut.kill('SIGINT')).code).toBe(130)
  const replica = Number(/pid (\d+)/.exec(msg)?.[1])
  expect(await polled(() => !existsSync(`/proc/${replica}`))).toBe(true)
  expect(readdirSync(join(folder, 'tmp'))).toEqual([])
})

test('the demo reads no .env, not even one that another user has put into the folder of temporary files', async () => {
  const prepare = (folder: string): void => {
    mkdirSync(join(folder, 'tmp'))
    for (const name of ['.env', 'tmp/.env']) writeFileSync(join(folder, name), 'SPLUNK_HEC_TLS_CA_FILE=not-here\n')
  }
  const demo = startCommand(['demo'], { TMPDIR: './tmp' }, { prepare })
  // A second with events at the sink.
  await demo.line(/^ *\d.*✓.* [1-9]\d*$/)
  expect((await demo.kill('SIGINT')).code).toBe(1)
})

test('the demo says in one line that it can make no temporary folder', async () => {
  const demo = startCommand(['demo'], { TMPDIR: './none' })
  expect((await demo.exited).code).toBe(1)
  expect(demo.stderr).toMatch(/^sls-siem-bridge demo: cannot make a temporary folder: .*\n {2}→ set TMPDIR .*\n$/)
})

test('the demo says in one line that the disk has no room, before it starts anything', () => {
  // A limit of 512 blocks for a file stands for a full disk.
  const demo = spawnSync('sh', ['-c', 'ulimit -f 512; exec "$@"', 'sh', process.execPath, MAIN, 'demo'], {
    env: cleanEnvironment(),
    encoding: 'utf8',
  })
  expect(demo.stderr).toBe(
    'sls-siem-bridge demo: cannot make a temporary folder: EFBIG: file too large, write\n  → set TMPDIR to a folder that this user may write, on a disk with 1 MB of room\n',
  )
  expect([demo.status, demo.stdout]).toEqual([1, ''])
})

test.for(['start', 'demo'])('npm run %s builds first what is not built', (script) => {
  const folder = mkdtempSync(join(tmpdir(), 'commands-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const build = 'mkdir dist && echo "console.log(process.argv[2])" >dist/main.js && echo built'
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts: { ...scripts, build } }))
  const run = () => spawnSync('npm', ['run', '--silent', script], { cwd: folder, encoding: 'utf8' }).stdout
  const word = script === 'start' ? 'run' : script
  expect([run(), run()]).toEqual([`built\n${word}\n`, `${word}\n`])
})

test('the stand-ins take their secrets from files, and do not print them', async () => {
  const prepare = (folder: string) => writeFileSync(join(folder, 'secret'), 'from-a-file\r\n')
  const keys = { SLS_AK_ID: 'id\r', SLS_AK_KEY_FILE: './secret' }
  const emulator = startCommand(['emulator'], keys, { prepare })
  await emulator.line(/^CONTROL_SECRET=/)
  const settings = Object.fromEntries(emulator.lines.map(({ msg }) => String(msg).split('=')))
  const key = { SLS_AK_ID: 'id', SLS_AK_KEY: 'from-a-file' }
  expect((await startCommand(['produce', '--logs', '1'], { ...settings, ...key }).exited).code).toBe(0)
  const token = { SPLUNK_HEC_TOKEN_FILE: './secret' }
  const receiver = startCommand(['hec-receiver', '--port', '0'], token, { prepare })
  const { msg: url } = await receiver.line(/^SPLUNK_HEC_URL=/)
  await receiver.line(/^CONTROL_SECRET=/)
  const event = `${String(url).replace('SPLUNK_HEC_URL=', '')}/services/collector/event`
  const headers = { Authorization: 'Splunk from-a-file' }
  expect((await fetch(event, { method: 'POST', headers, body: '{"event":"x"}' })).status).toBe(200)
  expect(text([...emulator.lines, ...receiver.lines])).not.toContain('from-a-file')
})

describe('lag', () => {
  test('shows every shard of the group from outside, as JSON lines too', async () => {
    const scenario = await Scenario.start({ sls: { shards: 2 } })
    await scenario.write(4)
    await scenario.deliver()
    await scenario.write(4)
    const { SPLUNK_HEC_URL, SPLUNK_HEC_TOKEN, ...env } = scenario.environment()
    const lag = startCommand(['lag', '--json'], env)
    expect((await lag.exited).code).toBe(0)
    expect(lag.lines.map((line) => [line['shard'], line['groupsBehind'], line['state']])).toEqual([
      [0, 2, 'behind'],
      [1, 2, 'behind'],
    ])
  })
})

describe('dead-letter', () => {
  test('lists without the settings of the connection to the SIEM', async () => {
    const { SPLUNK_HEC_URL, SPLUNK_HEC_TOKEN, ...env } = (await Scenario.start()).environment()
    const list = startCommand(['dead-letter', 'list'], { ...env, SPLUNK_HEC_TLS_CA_FILE: './not-here' })
    expect([(await list.exited).code, list.stderr]).toEqual([0, expect.stringContaining('0 events')])
    const replay = startCommand(['dead-letter', 'replay'], env)
    expect((await replay.exited).code).toBe(2)
  })

  test('lists refused events with reason and origin, and replays them after the cause is fixed', async () => {
    const scenario = await Scenario.start({
      sls: { shards: 1 },
      hec: { keep: true, refuse: [{ contains: 'poison', code: 6 }] },
    })
    await scenario.write(2)
    await scenario.writeLog({ message: 'poison' })
    await scenario.write(2)
    const replica = scenario.replica()
    await scenario.caughtUp()
    expect(scenario.tally()).toMatchObject({ delivered: 80, deadLettered: 1, duplicated: 0, missing: [] })
    const list = startCommand(['dead-letter', 'list'], scenario.environment())
    expect((await list.exited).code).toBe(0)
    expect(text(list.lines)).toMatch(/ 6 .*HTTP 400.*audit:0:\d+:0/)
    scenario.hec.acceptAll()
    const replay = startCommand(['dead-letter', 'replay'], scenario.environment())
    expect((await replay.exited).code).toBe(0)
    expect(text(replay.lines)).toMatch(/1 delivered, 0 refused again/)
    expect(scenario.indexedById.size).toBe(81)
    expect(readdirSync(scenario.deadLetterDir).every((name) => name.endsWith('.replayed'))).toBe(true)
    expect((await replica.kill('SIGTERM')).code).toBe(0)
  })
})
