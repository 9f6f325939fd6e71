import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { html } from '../../../src/observability/html.ts'
import { CONTENT_SECURITY_POLICY, statusPage } from '../../../src/observability/status-page.ts'
import { LOGSTORE, shardRef } from '../../support/shard-ref.ts'
import { fault, observed } from './observed.ts'

const HOSTILE = `</main><script>alert(1)</script><img src=x onerror="alert(2)">'&"`

/** A replica that got only hostile texts from outside. */
async function attacked() {
  const it = await observed('silent')
  it.group.shards = [{ shard: 1, status: 'readwrite', consumer: HOSTILE, committedAt: 1 }]
  it.group.problem = undefined
  it.telemetry.shardLeased(shardRef(0))
  it.telemetry.deliveryFailed('splunk_hec', fault('transient', HOSTILE, HOSTILE, HOSTILE), 1, 0)
  it.telemetry.paused(
    { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } },
    fault('configuration', HOSTILE, HOSTILE, HOSTILE),
  )
  it.telemetry.leaseLost(shardRef(1), HOSTILE)
  it.telemetry.deadLettered('splunk_hec', HOSTILE, 1)
  it.telemetry.notice('warn', HOSTILE)
  it.status.snapshot()
  await new Promise(setImmediate)
  it.group.problem = new Error(HOSTILE)
  it.clock.pass(10)
  it.status.snapshot()
  await new Promise(setImmediate)
  return it
}

describe('html', () => {
  test('escapes values, and keeps its own markup', () => {
    expect(String(html`<b title="${'"<'}">${"&<>'"}${html`<i>${1}</i>`}${['<', html`<hr>`]}${undefined}</b>`)).toBe(
      '<b title="&quot;&lt;">&amp;&lt;&gt;&#39;<i>1</i>&lt;<hr></b>',
    )
  })
})

describe('the page', () => {
  test('shows hostile markup as text', async () => {
    const it = await attacked()
    const page = statusPage(it.status.snapshot())
    expect(page).toContain('&lt;img src=x onerror=&quot;alert(2)&quot;&gt;')
    expect(page).not.toMatch(/<img|<script>alert|onerror="/)
    expect(page.match(/<script/g)).toHaveLength(1)
    expect(page.match(/<\/main>/g)).toHaveLength(1)
    // One for each: three of a pause, one of its fault’s code, message, advice, …
    expect(page.match(/&lt;script&gt;/g)?.length).toBeGreaterThanOrEqual(10)
  })

  test('runs only its own script and style', async () => {
    const page = statusPage((await observed()).status.snapshot())
    for (const element of ['style', 'script']) {
      const text = new RegExp(`<${element}>([\\s\\S]*?)</${element}>`).exec(page)?.[1] ?? ''
      const hash = createHash('sha256').update(text).digest('base64')
      expect(CONTENT_SECURITY_POLICY.split('; ')).toContain(`${element}-src 'sha256-${hash}'`)
    }
    expect(CONTENT_SECURITY_POLICY).toMatch(/^default-src 'none'; /)
    expect(CONTENT_SECURITY_POLICY).not.toMatch(/unsafe|\*|https?:/)
    expect(page).not.toMatch(/ style="| on\w+="|https?:\/\/|\/\/\w+\.|@import|url\(/)
  })

  test('has no form, button or link that changes anything', async () => {
    const page = statusPage((await observed()).status.snapshot())
    expect(page).not.toMatch(/<form|<button|<input|method:/)
  })

  test('shows what is paused and what to do', async () => {
    const it = await observed()
    it.telemetry.heartbeat(LOGSTORE, 'ok')
    it.telemetry.paused(
      { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } },
      fault('configuration', '4', 'HEC answered HTTP 403: Invalid token', 'Check SPLUNK_HEC_TOKEN.'),
    )
    it.clock.pass(200)
    it.telemetry.heartbeat(LOGSTORE, 'ok')
    const page = statusPage(it.status.snapshot())
    expect(page).toContain('Paused for 3 min: hec_configuration, sink')
    // Once among the pauses and once among the faults.
    expect(page.match(/HEC answered HTTP 403: Invalid token/g)).toHaveLength(2)
    expect(page).toMatch(/What to do:<\/b> Check SPLUNK_HEC_TOKEN\./)
    expect(page).toContain('<title>NOT READY – replica-1</title>')
    it.telemetry.resumed({ reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } })
    const after = statusPage(it.status.snapshot())
    expect(after).toContain('<title>ready – replica-1</title>')
    expect(after).not.toContain('Paused for')
  })

  test('draws a shard’s lag, with gaps where nothing is known, to its own scale', async () => {
    const it = await observed()
    it.telemetry.shardLeased(shardRef(7))
    for (const lagSeconds of [0, 90, undefined, 45]) {
      if (lagSeconds !== undefined) it.telemetry.shardState(shardRef(7), { lagSeconds, checkpointAgeSeconds: 0 })
      if (lagSeconds !== 45) it.clock.pass(10)
    }
    const page = statusPage(it.status.snapshot())
    expect(page).toMatch(/aria-label="lag of shard 7".*at most 90 s/)
    expect(page).toContain('<path d="M56 23.0L57 1.0M59 12.0h1"/>')
  })
})
