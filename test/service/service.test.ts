/**
 * Tests our assumptions about Log Service and Splunk HEC, fact by fact, against our own emulators or the real services.
 * Ends with a table of assumptions and observations.
 *
 * Without credentials it starts and tests the SLS emulator and the HEC receiver. With these variables it tests the real service:
 *
 * | variable | |
 * |---|---|
 * | `SLS_ENDPOINT`, `SLS_AK_ID`, `SLS_AK_KEY`, `SLS_PROJECT` | Log Service; also `SLS_STS_TOKEN`, `SLS_REGION` |
 * | `SPLUNK_HEC_URL`, `SPLUNK_HEC_TOKEN` | Splunk, a token without acknowledgement; also `SPLUNK_HEC_TLS_*` |
 * | `SPLUNK_HEC_ACK_TOKEN` | a token with acknowledgement, on the same URL |
 * | `SPLUNK_SEARCH_URL` | management port (`https://host:8089`), to search indexed events, with `SPLUNK_SEARCH_TOKEN`, or `SPLUNK_SEARCH_USER` and `SPLUNK_SEARCH_PASSWORD` |
 * | `SERVICE_TEST_WRITE=yes` | required with any of them; without it, the error says what a run would write |
 * | `SERVICE_TEST_LARGE=yes` | also test facts that need some megabytes |
 * | `SERVICE_TEST_QUOTA=yes` | also create consumer groups until the service refuses |
 * | `SERVICE_TEST_OLD_LOGSTORE` | a logstore that is older than its retention, to test an expired cursor: read, never written |
 * | `SERVICE_REPORT` | file for the results as JSON |
 *
 * SLS: the run creates its own logstores (`sls-siem-bridge-conformance-…`), deletes them at the end, and changes nothing
 * else. The access key needs log:* on `logstore/sls-siem-bridge-conformance-*`. HEC: events cannot be
 * deleted; they go to the default index of the token. One fact alone: `-t sls/commit-by-other`.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Fact, Verdict } from './fact.ts'
import { complaint, judge, reported, summary, table } from './fact.ts'
import { accessFacts } from './hec-access.ts'
import { ackFacts } from './hec-acks.ts'
import { envelopeFacts } from './hec-envelopes.ts'
import { indexedFacts } from './hec-indexed.ts'
import { HecService } from './hec-service.ts'
import { commitFacts } from './sls-commits.ts'
import { cursorFacts } from './sls-cursors.ts'
import { groupFacts } from './sls-groups.ts'
import { heartbeatFacts } from './sls-heartbeats.ts'
import { TestLogstore } from './sls-logstore.ts'
import { pullFacts } from './sls-pulls.ts'
import { putAnswerFacts } from './sls-put-answers.ts'
import { queryFacts } from './sls-queries.ts'
import { refusalFacts } from './sls-refusals.ts'
import { once, SlsService } from './sls-service.ts'
import { signatureFacts } from './sls-signatures.ts'
import { splitFacts } from './sls-splits.ts'
import { writeFacts } from './sls-writes.ts'
import { subjectOf } from './subject.ts'

/** A real service needs time to create a logstore and to acknowledge an event. */
const MINUTES = 300_000

const subject = subjectOf(process.env)
const sls = await SlsService.start(subject)
const hec = await HecService.start(subject)
const verdicts: Verdict[] = []
console.log(`judging ${sls.judged} (logstores ${sls.prefix}-*) and ${hec.judged}`)

/** One shard for writes and reads, two for consumer groups. */
const logs = once(() => TestLogstore.create(sls, 'logs', 1))
const groups = once(() => TestLogstore.create(sls, 'groups', 2))

const SLS_FACTS = [
  ...signatureFacts(sls, logs),
  ...refusalFacts(sls, logs),
  ...cursorFacts(sls, logs),
  ...pullFacts(sls, logs),
  ...writeFacts(sls, logs),
  ...putAnswerFacts(sls, logs, groups),
  ...queryFacts(logs),
  ...groupFacts(sls, groups),
  ...heartbeatFacts(sls, groups),
  ...commitFacts(sls, groups),
  ...splitFacts(sls),
]
const HEC_FACTS = [...accessFacts(hec), ...envelopeFacts(hec), ...ackFacts(hec), ...indexedFacts(hec)]

afterAll(async () => {
  const judged = { sls: sls.judged, hec: hec.judged }
  console.log(`judged: ${judged.sls}; ${judged.hec}\n\n${table(verdicts)}\n\n${summary(verdicts)}`)
  if (subject.report !== undefined) {
    const report = { at: new Date().toISOString(), judged, facts: verdicts.map(reported) }
    writeFileSync(subject.report, `${JSON.stringify(report, null, 2)}\n`)
  }
  await Promise.all([sls.close(), hec.close()])
}, MINUTES)

describe.for([
  ['Log Service', SLS_FACTS, sls.emulator !== undefined],
  ['HTTP Event Collector', HEC_FACTS, hec.receiver !== undefined],
] as const)('%s', ([, facts, ours]) => {
  if (facts === SLS_FACTS) beforeAll(() => Promise.all([logs(), groups()]), MINUTES)
  test.for(facts.map((fact) => [fact.id, fact.says, fact] as const))(
    '%s: %s',
    { timeout: MINUTES },
    async ([, , fact]) => {
      const verdict = await judge(fact)
      verdicts.push(verdict)
      const wrong = complaint(verdict, ours)
      if (wrong !== undefined) throw new Error(wrong)
    },
  )
})

test('every fact has a unique name, and its files exist', () => {
  const facts: Fact[] = [...SLS_FACTS, ...HEC_FACTS]
  const ids = facts.map(({ id }) => id)
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
  const files = new Set(facts.flatMap(({ reliedOnBy }) => reliedOnBy))
  expect([...files].filter((file) => !existsSync(new URL(`../../${file}`, import.meta.url)))).toEqual([])
})
