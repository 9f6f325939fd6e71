import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { Fault } from '../../src/core/errors.ts'
import { startAdminServer } from '../../src/observability/admin-server.ts'
import { Scenario } from '../support/scenario.ts'
import { ONE, observed } from '../unit/observability/observed.ts'

/** The part of playwright-core that is used here. The package and its types are in .tools. */
interface Browser {
  newPage(options: { viewport: { width: number; height: number } }): Promise<Page>
  close(): Promise<void>
}
interface Page {
  on(event: 'console' | 'pageerror' | 'request', listener: (it: never) => void): void
  goto(url: string): Promise<{ status(): number } | null>
  content(): Promise<string>
  title(): Promise<string>
  evaluate<T>(expression: string): Promise<T>
  screenshot(options?: { fullPage?: boolean }): Promise<Buffer>
}

const SCREENSHOT = fileURLToPath(new URL('../../docs/status-page.png', import.meta.url))
const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'

async function chromium(): Promise<Browser> {
  const require = createRequire(new URL('.tools/chromium/package.json', import.meta.url))
  const { chromium: type } = require('playwright-core') as {
    chromium: { launch(options: { executablePath: string; args: string[] }): Promise<Browser> }
  }
  // The sandbox needs namespaces that containers do not provide.
  const browser = await type.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  onTestFinished(() => browser.close())
  return browser
}

/** A page, and what must not happen on it: errors, violations of its policy, requests to other hosts. */
async function opened(browser: Browser, url: string, viewport = { width: 1000, height: 900 }) {
  const page = await browser.newPage({ viewport })
  const trouble: string[] = []
  page.on('pageerror', (error: Error) => trouble.push(String(error)))
  page.on('console', (line: { type(): string; text(): string }) => {
    if (line.type() === 'error' || line.type() === 'warning') trouble.push(line.text())
  })
  page.on('request', (request: { url(): string; method(): string }) => {
    if (!request.url().startsWith(url)) trouble.push(`asked for ${request.url()}`)
    if (request.method() !== 'GET') trouble.push(`${request.method()} ${request.url()}`)
  })
  expect((await page.goto(url))?.status()).toBe(200)
  return { page, trouble }
}

const text = (page: Page): Promise<string> => page.evaluate('document.body.innerText')
// Playwright's own waiting evaluates strings in the page, and the page's policy forbids that.
const shows = (page: Page, wanted: string | RegExp): Promise<void> =>
  expect.poll(() => text(page), { timeout: 60_000 }).toMatch(typeof wanted === 'string' ? literally(wanted) : wanted)
const literally = (wanted: string): RegExp => new RegExp(wanted.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))

/** Two replicas of one group whose SIEM sends hostile texts. */
async function group() {
  const scenario = await Scenario.start({
    sls: { projects: { 'prod-audit': { actiontrail: { shards: 4 } } } },
    hec: { ack: true },
  })
  const replicas = [scenario.replica(), scenario.replica()]
  await scenario.eventually(() => scenario.holders().size === 2)
  return { scenario, first: replicas[0] as (typeof replicas)[0], url: `${await replicas[0]?.adminUrl()}/` }
}

test('shows live what a replica does and what is paused, and treats outside input only as text', async () => {
  const [{ scenario, first, url }, browser] = await Promise.all([group(), chromium()])
  const { page, trouble } = await opened(browser, url)
  await shows(page, 'ready: logs flow')
  await shows(page, 'none since the start')
  // Only the contents are refreshed; the page is not loaded again.
  await page.evaluate('void (globalThis.loadedOnce = true)')

  await scenario.write(60, { perSecond: 10 })
  await scenario.caughtUp()
  await shows(page, /[1-9][0-9.]*\s+events\/s/)
  await shows(page, 'replica-2')
  expect(await page.evaluate('document.querySelectorAll("tr.held").length')).toBe(2)
  expect(await page.evaluate('document.querySelectorAll("tr.others").length')).toBe(2)

  scenario.hec.faults.add({ match: { endpoint: 'event' }, times: 0, action: { status: 403, body: HOSTILE } })
  await scenario.write(8)
  await shows(page, 'Paused for')
  await shows(page, HOSTILE)
  expect(await page.title()).toBe('NOT READY – replica-1')
  expect(await page.evaluate('document.images.length + document.querySelectorAll("main script").length')).toBe(0)
  expect(await text(page)).toMatch(/What to do: .*firewall or proxy/)

  scenario.hec.faults.clear()
  await scenario.caughtUp()
  await shows(page, 'ready: logs flow')
  expect(await page.evaluate('globalThis.loadedOnce')).toBe(true)
  const source = await page.content()
  for (const secret of [scenario.hec.token, scenario.sls.accessKeySecret, scenario.sls.accessKeyId]) {
    expect(source).not.toContain(secret)
  }
  expect(trouble).toEqual([])

  await first.kill('SIGTERM')
  await shows(page, 'The replica has not answered for')
  expect(await page.title()).toBe('NO ANSWER')
})

test('its policy refuses every script and style except its own', async () => {
  const [{ url }, browser] = await Promise.all([group(), chromium()])
  const { page, trouble } = await opened(browser, url)
  await page.evaluate(`{
    globalThis.ran = []
    const script = document.createElement('script')
    script.textContent = 'ran.push("script")'
    const image = document.createElement('img')
    image.src = location.origin + '/metrics'
    document.body.append(script, image)
    document.body.setAttribute('style', 'color: red')
    document.querySelector('main').innerHTML = '<b onclick="ran.push(1)">x</b>'
    document.querySelector('main b').click()
  }`)
  expect(await page.evaluate('ran')).toEqual([])
  await expect
    .poll(() => trouble.filter((line) => line.includes('Content Security Policy')).length)
    .toBeGreaterThanOrEqual(4)
})

const TRAIL = { source: 'default', project: 'prod-audit', logstore: 'actiontrail' }

/** Ten minutes of a replica whose SIEM was slow, refused events, and now refuses the token. */
async function tenMinutes() {
  const { clock, metrics, health, status, telemetry, group } = await observed('silent', {
    consumer: 'sls-siem-bridge-0',
    ends: { ...ONE, logstores: [{ ref: TRAIL, group: 'siem', groupTimeoutMs: 60_000 }] },
  })
  const heldElsewhere = { status: 'readwrite' as const, consumer: 'sls-siem-bridge-1' }
  group.shards = [0, 1, 2, 3, 4, 5].map((shard) => ({
    shard,
    ...heldElsewhere,
    committedAt: clock.wall() + 600_000 - 2_000 * (shard + 1),
  }))
  telemetry.heartbeat(TRAIL, 'ok')
  for (const shard of [0, 2, 4]) telemetry.shardLeased({ ...TRAIL, shard })
  for (let step = 0; step < 60; step++) {
    const slow = step > 12 && step < 26
    const refused = step > 54
    const rate = refused ? 0 : slow ? 180 : step < 36 && step > 25 ? 1_150 : 640
    telemetry.delivered('splunk_hec', Math.round(rate * 10 * (1 + 0.06 * Math.sin(step * 1.7))))
    for (const shard of [0, 2, 4]) {
      const backlog = slow ? (step - 12) * 6 : step < 36 && step > 25 ? (36 - step) * 8 : 0
      const lagSeconds = refused ? (step - 54) * 10 : backlog * (1 - shard / 10)
      telemetry.shardState({ ...TRAIL, shard }, { lagSeconds, checkpointAgeSeconds: refused ? (step - 54) * 10 : 3 })
    }
    if (slow)
      telemetry.deliveryFailed(
        'splunk_hec',
        new Fault('transient', 'HEC answered HTTP 503: Server is busy (code 9)', { code: '9' }),
        1,
        0,
      )
    if (step === 40) telemetry.deadLettered('splunk_hec', '6', 2)
    if (step === 55) {
      const advice = 'The HEC token is disabled: enable it in Splunk.'
      const disabled = new Fault('configuration', 'HEC answered HTTP 403: Token disabled (code 1)', {
        code: '1',
        advice,
      })
      telemetry.paused({ reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } }, disabled)
    }
    clock.pass(10)
    telemetry.heartbeat(TRAIL, 'ok')
  }
  telemetry.inFlight(64_000_000)
  const options = {
    host: '127.0.0.1',
    port: 0,
    portWasSet: true,
    allowedHosts: [],
    registry: metrics.registry,
    health,
    status,
    telemetry,
  }
  const server = await startAdminServer(options)
  onTestFinished(() => server.close())
  return `${server.url}/`
}

test('is readable on a phone, and its picture is in the documentation (DRAW=1 draws it again)', async () => {
  const [url, browser] = await Promise.all([tenMinutes(), chromium()])
  const { page, trouble } = await opened(browser, url, { width: 360, height: 740 })
  await shows(page, 'sls-siem-bridge-1')
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
  const smallest = await page.evaluate<number>(
    `Math.min(...[...document.querySelectorAll('main *')].filter((e) => e.innerText).map((e) => parseFloat(getComputedStyle(e).fontSize)))`,
  )
  expect(smallest).toBeGreaterThanOrEqual(11)
  const charts = await page.evaluate<number[]>(
    `[...document.querySelectorAll('.chart')].map((chart) => chart.getBoundingClientRect().width)`,
  )
  expect(charts).toHaveLength(4)
  expect(Math.min(...charts)).toBeGreaterThan(50)
  expect(trouble).toEqual([])

  const { page: wide } = await opened(browser, url, { width: 900, height: 1010 })
  await shows(wide, 'sls-siem-bridge-1')
  const picture = await wide.screenshot()
  expect(picture.length).toBeLessThan(300_000)
  if (process.env['DRAW']) writeFileSync(SCREENSHOT, picture)
  expect(readFileSync(SCREENSHOT).length).toBeLessThan(300_000)
})
