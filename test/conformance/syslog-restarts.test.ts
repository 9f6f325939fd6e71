import { expect, test } from 'vitest'
import { startCommand } from '../support/bridge-process.ts'
import { chosen } from './client.ts'
import { temporaryFolder } from './collector.ts'
import type { Input } from './rsyslog.ts'
import type { Carrier } from './syslog-restarts.ts'
import { underRestarts } from './syslog-restarts.ts'

/** The acceptance run is ten. */
const RESTARTS = Number(process.env['RESTARTS'] ?? 10)

/** A real replica that sends to this input of rsyslog. */
function replicaTo(input: Input, deadLetters: string): Carrier {
  return {
    ...{ group: input, input },
    start: (sls, rsyslog) => {
      const replica = startCommand(['run'], {
        ...{ ...sls, SYSLOG_URL: rsyslog.url(input), DEAD_LETTER_DIR: deadLetters, ADMIN_PORT: '0' },
        ...{ SLS_HEARTBEAT_SECONDS: '1', SLS_FETCH_INTERVAL_SECONDS: '0.1' },
      })
      return async () => {
        const { code } = await replica.kill('SIGTERM')
        expect(code, replica.transcript()).toBe(0)
      }
    },
  }
}

test.runIf(chosen('syslog'))(
  `${RESTARTS} restarts of rsyslog under load lose nothing, by drain and by RELP, and repeat only what was open`,
  async () => {
    const folder = temporaryFolder()
    const outcomes = await underRestarts([replicaTo('tcp', `${folder}/tcp`), replicaTo('relp', `${folder}/relp`)], {
      folder,
      restarts: RESTARTS,
    })
    for (const { unexplained, missing, ...counts } of outcomes) {
      console.log(JSON.stringify({ ...counts, missing, unexplained: unexplained.length }))
      expect(missing).toBe(0)
      expect(unexplained).toEqual([])
      expect(counts.delivered).toBeGreaterThan(0)
    }
  },
)
