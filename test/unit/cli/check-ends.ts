import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished } from 'vitest'
import { checkCommand } from '../../../src/cli/check.ts'
import type { HecReceiver, HecReceiverOptions } from '../../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../../src/emulator/hec/server.ts'
import type { SlsEmulator } from '../../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../../src/emulator/sls/server.ts'

interface Line {
  check: string
  verdict: 'ok' | 'warn' | 'fail' | 'skip'
  found: string
  advice: string | null
  code: string | null
}

export interface Checked {
  code: number
  ok: boolean
  checks: Line[]
  stderr: string
  /** The lines of one check. */
  of: (check: string) => Line[]
}

/** Both ends of a bridge, and a folder, for `check` to look at. */
export class Ends {
  readonly sls: SlsEmulator
  readonly hec: HecReceiver
  readonly dir = mkdtempSync(join(tmpdir(), 'check-'))

  private constructor(sls: SlsEmulator, hec: HecReceiver) {
    this.sls = sls
    this.hec = hec
  }

  static async start(hec: HecReceiverOptions = {}): Promise<Ends> {
    const ends = new Ends(await startSlsEmulator({ shards: 2 }), await startHecReceiver(hec))
    onTestFinished(async () => {
      await Promise.all([ends.sls.close(), ends.hec.close()])
      rmSync(ends.dir, { recursive: true })
    })
    return ends
  }

  environment(): Record<string, string> {
    return {
      ...this.sls.environment(),
      ...this.hec.environment(),
      SLS_CG: 'checked',
      SPLUNK_HEC_ACK_POLL_SECONDS: '0.05',
      DEAD_LETTER_DIR: join(this.dir, 'letters'),
      ADMIN_PORT: '0',
    }
  }

  check(env: Record<string, string> = {}, args: string[] = []): Promise<Checked> {
    return this.checkAlone({ ...this.environment(), ...env }, args)
  }

  /** With this environment and nothing else. */
  async checkAlone(env: Record<string, string>, args: string[]): Promise<Checked> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    const io = { env, stdout, stderr, signal: new AbortController().signal }
    const code = await checkCommand(['--json', ...args], io)
    const said = String(stdout.read() ?? '')
    const { ok, checks } = JSON.parse(said) as { ok: boolean; checks: Line[] }
    expect(said.trimEnd().split('\n')).toHaveLength(1)
    const of = (check: string) => checks.filter((line) => line.check === check)
    return { code, ok, checks, stderr: String(stderr.read() ?? ''), of }
  }
}

export function failures({ checks }: Checked): string[] {
  return checks.filter(({ verdict }) => verdict === 'fail').map(({ check }) => check)
}
