import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import type { Strike } from './world.ts'

const run = promisify(execFile)

/** How the network between a host and one port of the world fails. */
export type Outage =
  /** Packets are dropped silently. */
  | 'silence'
  /** Requests arrive, answers do not: every outcome is ambiguous. */
  | 'deaf'
  /** Our packets are dropped; packets on their way to us still arrive. */
  | 'mute'
  /** Every packet is answered with a reset. */
  | 'reset'
  /** Three packets in ten are lost, either way. */
  | 'lossy'

const FAKETIME = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path))
const MEMORY_V1 = '/sys/fs/cgroup/memory'

/** Tools that the machine lacks; empty when it has all. */
function missingTools(): string[] {
  const missing = ['ip', 'iptables', 'ss', 'nsenter', 'mount']
    .filter((tool) => !['/usr/sbin', '/sbin', '/usr/bin', '/bin'].some((dir) => existsSync(`${dir}/${tool}`)))
    .map((tool) => `the command ${tool}`)
  if (process.getuid?.() !== 0) missing.push('root, for network namespaces and mounts')
  if (!FAKETIME) missing.push('libfaketime')
  return missing
}

let hosts = 0
const alive = new Set<Host>()
// An interrupted or crashed run leaves nothing behind either.
process.on('exit', () => {
  for (const host of alive) host.sweep()
})

/**
 * A small machine of its own: a network namespace with one address, a small disk for the dead letter, a clock that can
 * be set, and a memory limit. Every change can be undone, and every fault of the network counts its hits.
 */
export class Host implements AsyncDisposable {
  readonly name: string
  /** Of this host, and of the world as this host sees it. */
  readonly address: string
  readonly gateway: string
  /** Files of the process that runs here; `disk` is the small one. */
  readonly directory: string
  readonly disk: string
  readonly #clockFile: string
  #rules = 0

  private constructor(name: string, subnet: string) {
    this.name = name
    this.gateway = `${subnet}.1`
    this.address = `${subnet}.2`
    this.directory = mkdtempSync(join(tmpdir(), `${name}-`))
    this.disk = join(this.directory, 'disk')
    this.#clockFile = join(this.directory, 'clock')
    mkdirSync(this.disk)
    this.setClock(0)
  }

  static async create(diskKb: number): Promise<Host> {
    const missing = missingTools()
    if (missing.length > 0) throw new Error(`this needs ${missing.join(', ')}; run test/chaos/install.sh as root`)
    const number = hosts++
    const name = `sls${process.pid}h${number}`
    const host = new Host(name, `10.${100 + (process.pid % 100)}.${number % 250}`)
    const link = `v${process.pid}h${number}`
    alive.add(host)
    await run('ip', ['netns', 'add', name])
    await run('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name])
    await run('ip', ['addr', 'add', `${host.gateway}/24`, 'dev', link])
    await run('ip', ['link', 'set', link, 'up'])
    await host.#inside('ip', ['addr', 'add', `${host.address}/24`, 'dev', 'eth0'])
    await host.#inside('ip', ['link', 'set', 'eth0', 'up'])
    await host.#inside('ip', ['link', 'set', 'lo', 'up'])
    await run('mount', ['-t', 'tmpfs', '-o', `size=${diskKb}k,mode=755`, 'chaos', host.disk])
    if (host.#cgroup) mkdirSync(host.#cgroup, { recursive: true })
    return host
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('umount', ['--lazy', this.disk]).catch(() => {})
    await run('ip', ['netns', 'del', this.name]).catch(() => {})
    // The kernel takes a moment to let the last process go.
    for (let attempt = 0; attempt < 20 && this.#cgroup && existsSync(this.#cgroup); attempt++) {
      await run('rmdir', [this.#cgroup]).catch(() => new Promise((resolve) => setTimeout(resolve, 50)))
    }
    rmSync(this.directory, { recursive: true, force: true })
    alive.delete(this)
  }

  /** Removes the rest of this host, at once. */
  sweep(): void {
    const sweeping = [
      `ip netns pids ${this.name} | xargs -r kill -9`,
      `umount --lazy ${this.disk}`,
      `ip netns del ${this.name}`,
      `sleep 0.2; rmdir ${this.#cgroup ?? '/nonexistent'}`,
    ]
    for (const line of sweeping) spawnSync('sh', ['-c', line], { stdio: 'ignore' })
    rmSync(this.directory, { recursive: true, force: true })
    alive.delete(this)
  }

  /** The command line that runs a program here; signals reach the program itself. */
  command(program: string, args: readonly string[]): [string, string[]] {
    const enter = this.#cgroup ? `echo $$ > ${this.#cgroup}/cgroup.procs && exec "$@"` : 'exec "$@"'
    return ['nsenter', [`--net=/run/netns/${this.name}`, 'sh', '-c', enter, 'sh', program, ...args]]
  }

  /** Environment that makes the clock settable: wall clock only, the monotonic one cannot jump. */
  clockEnvironment(): Record<string, string> {
    return {
      ...{ LD_PRELOAD: FAKETIME as string, FAKETIME_TIMESTAMP_FILE: this.#clockFile, FAKETIME_CACHE_DURATION: '1' },
      ...{ FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1', NO_FAKE_STAT: '1' },
    }
  }

  /** Seconds the wall clock of this host is ahead; noticed within a second. */
  setClock(aheadSeconds: number): void {
    // At once, or the process may read half of it.
    writeFileSync(`${this.#clockFile}.new`, `${aheadSeconds < 0 ? '' : '+'}${aheadSeconds}s\n`)
    renameSync(`${this.#clockFile}.new`, this.#clockFile)
  }

  /** Breaks the network towards these ports; counts the packets that were hit. */
  async breakNetwork(ports: readonly number[], outage: Outage): Promise<Strike> {
    const chain = `cut${this.#rules++}`
    const out = ['-p', 'tcp', '--match', 'multiport', '--dports', ports.join(',')]
    const back = ['-p', 'tcp', '--match', 'multiport', '--sports', ports.join(',')]
    const random = ['-m', 'statistic', '--mode', 'random', '--probability', '0.3']
    const targets: Record<Outage, Array<[direction: 'INPUT' | 'OUTPUT', match: string[], target: string[]]>> = {
      silence: [
        ['OUTPUT', out, ['DROP']],
        ['INPUT', back, ['DROP']],
      ],
      deaf: [['INPUT', back, ['DROP']]],
      mute: [['OUTPUT', out, ['DROP']]],
      reset: [['OUTPUT', out, ['REJECT', '--reject-with', 'tcp-reset']]],
      lossy: [
        ['OUTPUT', [...out, ...random], ['DROP']],
        ['INPUT', [...back, ...random], ['DROP']],
      ],
    }
    await this.#inside('iptables', ['-w', '-N', chain])
    const jumps: string[][] = []
    for (const [direction, match, target] of targets[outage]) {
      await this.#inside('iptables', ['-w', '-A', chain, ...match, '-j', ...target])
      jumps.push([direction, '-j', chain])
    }
    for (const jump of jumps) await this.#inside('iptables', ['-w', '-A', ...jump])
    return {
      hits: async () => {
        const { stdout } = await this.#inside('iptables', ['-w', '-L', chain, '-v', '-x', '-n'])
        const hit = stdout.split('\n').map((line) => Number(/^\s*(\d+)\s+\d+\s+(?:DROP|REJECT)/.exec(line)?.[1] ?? 0))
        return hit.reduce((sum, count) => sum + count, 0)
      },
      heal: async () => {
        for (const jump of jumps) await this.#inside('iptables', ['-w', '-D', ...jump])
        await this.#inside('iptables', ['-w', '-F', chain])
        await this.#inside('iptables', ['-w', '-X', chain])
      },
    }
  }

  /** Cuts every connection to these ports there is at this moment; tells how many. */
  async cutConnections(ports: readonly number[]): Promise<number> {
    const towards = ports.flatMap((port, i) => [...(i > 0 ? ['or'] : []), 'dport', '=', `:${port}`])
    const { stdout } = await this.#inside('ss', ['-K', '-H', '-t', 'state', 'established', '(', ...towards, ')'])
    return stdout.split('\n').filter(Boolean).length
  }

  /** Leaves no byte of the small disk free. The result frees it. */
  fillDisk(): () => void {
    const ballast = join(this.disk, 'ballast')
    for (let size = 4 * 1024 * 1024; size > 0; ) {
      try {
        writeFileSync(ballast, Buffer.alloc(size), { flag: 'a' })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        size = Math.floor(size / 2)
      }
    }
    return () => rmSync(ballast, { force: true })
  }

  get canSqueezeMemory(): boolean {
    return this.#cgroup !== undefined
  }

  /** Allows a little less memory than is in use; counts how often the limit was met. */
  squeezeMemory(): Strike {
    const cgroup = this.#cgroup
    if (!cgroup) throw new Error('this machine has no writable memory controller')
    const file = (name: string): string => join(cgroup, name)
    const number = (name: string): number => Number(readFileSync(file(name), 'utf8'))
    const used = number('memory.usage_in_bytes')
    const before = number('memory.failcnt')
    let limit = Math.floor(used * 0.9)
    try {
      writeFileSync(file('memory.limit_in_bytes'), `${limit}`)
    } catch {
      // EBUSY: it could not be taken away, so just nothing more is given.
      limit = used + 1_000_000
      writeFileSync(file('memory.limit_in_bytes'), `${limit}`)
    }
    return {
      hits: () => {
        const met = number('memory.failcnt') - before
        // Only cache was taken, and the process does with the rest: the limit only falls, and never rises.
        limit = Math.min(limit, number('memory.usage_in_bytes') + 256 * 1024)
        if (met === 0) writeFileSync(file('memory.limit_in_bytes'), `${limit}`)
        return met
      },
      heal: () => writeFileSync(file('memory.limit_in_bytes'), '-1'),
    }
  }

  get #cgroup(): string | undefined {
    return existsSync(join(MEMORY_V1, 'memory.limit_in_bytes')) ? join(MEMORY_V1, this.name) : undefined
  }

  #inside(program: string, args: string[]): Promise<{ stdout: string }> {
    return run('ip', ['netns', 'exec', this.name, program, ...args])
  }
}
