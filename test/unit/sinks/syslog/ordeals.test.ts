import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { SyslogSink } from '../../../../src/sinks/syslog/sink.ts'
import { Infected } from '../../../chaos/mutants.ts'
import { SYSLOG_MUTANTS } from './mutants.ts'
import { randomEnds, SYSLOG_ORDEALS, undergo } from './ordeals.ts'

const SEED = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000)

describe('a syslog sink as it is', () => {
  test.for(SYSLOG_ORDEALS)('passes: %s', { timeout: 30_000 }, async (ordeal) => {
    expect([...(await undergo(ordeal))]).toEqual([])
  })

  test.for(['tcp', 'relp'] as const)(
    `passes: connections end at random, %s, CHAOS_SEED=${SEED}`,
    { timeout: 30_000 },
    async (transport) => {
      expect([...(await undergo(randomEnds(SEED, transport)))]).toEqual([])
    },
  )
})

describe('a syslog sink with a bug in it is caught', () => {
  test.for(SYSLOG_MUTANTS)('$bug → $caughtBy', { timeout: 30_000 }, async (mutant) => {
    using infected = new Infected(mutant)
    const sink = join(infected.main, '../sinks/syslog/sink.ts')
    const { SyslogSink: Sink } = (await import(sink)) as { SyslogSink: typeof SyslogSink }
    expect([...(await undergo(mutant.ordeal, Sink))]).toContain(mutant.caughtBy)
  })
})
