import type { Batch, PullPosition } from '../../../src/core/batch.ts'
import { Fault } from '../../../src/core/errors.ts'
import { countLogGroups, decodeLogGroup, splitLogGroupList } from '../../../src/sls/log-group.ts'
import { expectedEvents } from '../../support/event-oracle.ts'
import type { Engines } from '../../unit/pipeline/encode-all.ts'
import { defaults, encoderWith, position } from '../../unit/pipeline/encode-all.ts'
import { canonicalBody } from '../canonical-body.ts'
import type { Target } from '../fuzz.ts'
import { must } from '../fuzz.ts'

/** Input: an inflated body of a pull. */
export const logGroups: Target = {
  name: 'log-groups',
  open() {
    // Both engines, which must agree. They serve all inputs, as in the process: one body must not change the next.
    const whole = encoderWith({ maxBatchBytes: 2_000 })
    const chosen = encoderWith({ maxBatchBytes: 700, topics: ['audit_log', 't'], index: 'i' })
    return (body) => {
      tools(body)
      const filtered = encoded(chosen, body, position)
      const hashed = encoded(whole, body, WITHOUT_POSITIONS)
      const outcome = encoded(whole, body, position)
      const canonical = canonicalBody(body)
      if (typeof outcome === 'string') {
        must(canonical === undefined, `refused as the format demands, not as ${outcome}`)
        return outcome
      }
      must(canonical !== undefined, 'nothing malformed is taken')
      const expected = expectedEvents(defaults, canonical as Buffer, position)
      must(Buffer.concat(expected.events).equals(outcome), 'the events are those of the contract')
      const identified = expectedEvents(defaults, canonical as Buffer, WITHOUT_POSITIONS)
      must(Buffer.concat(identified.events).equals(hashed as Buffer), 'and so are their ids when they are hashes')
      // Filtered groups are not decoded, so more may pass, but never less.
      must(typeof filtered !== 'string', 'choosing topics refuses nothing more')
      return outcome.length === 0 ? 'no events' : 'events'
    }
  },
}

const WITHOUT_POSITIONS: PullPosition = { ...position, firstGroup: undefined }

/** All events; or why the body was refused, which it must be as a whole. */
function encoded(encoder: Engines, body: Buffer, at: PullPosition): Buffer | string {
  const before = Buffer.from(body)
  const batches: Batch[] = []
  try {
    for (const batch of encoder.encode(body, at)) {
      must(
        batch.ends.length === batch.count && batch.ends[batch.count - 1] === batch.bytes.length,
        'ends fit the bytes',
      )
      batches.push({ ...batch, bytes: Buffer.from(batch.bytes) })
      encoder.recycle(batch)
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    must(error.kind === 'transient' && error.code === 'corrupt_log_group', 'refused as a corrupt log group')
    must(batches.length === 0, 'no batch leaves of a body that is refused')
    return error.message
  } finally {
    must(body.equals(before), 'the body is as it was')
  }
  return Buffer.concat(batches.map(({ bytes }) => bytes))
}

/** The slow decoder of tools and emulator: a value or a Fault as well. */
function tools(body: Buffer): void {
  try {
    const groups = splitLogGroupList(body)
    must(groups.length === countLogGroups(body), 'as many groups are counted as there are')
    for (const group of groups) decodeLogGroup(group)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
  }
}
