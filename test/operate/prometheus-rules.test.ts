import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

const folder = fileURLToPath(new URL('../../deploy/prometheus/', import.meta.url))
const rules = readFileSync(join(folder, 'rules.yml'), 'utf8')
const operations = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
/** Each alert's text, from `- alert: Name` to the next alert. */
const alerts = rules.split(/(?=^ +- alert: )/m).slice(1)
const names = alerts.map((alert) => /alert: (\w+)/.exec(alert)?.[1] as string)

function promtool(...args: string[]): { status: number | null; said: string } {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { encoding: 'utf8' })
  if (error) throw new Error(`promtool: ${error.message} (test/operate/install.sh installs it)`)
  return { status, said: stdout + stderr }
}

/** Alerts whose cases fail when every rule has this expression. */
function caught(expression: string): string[] {
  return failing(rules.replace(/ expr: [\s\S]*?(?=\n +(?:for|labels):)/g, ` expr: ${expression}`))
}

/** Alerts whose cases fail with these rules. */
function failing(changed: string): string[] {
  const scratch = mkdtempSync(join(tmpdir(), 'rules-'))
  onTestFinished(() => rmSync(scratch, { recursive: true }))
  copyFileSync(join(folder, 'rules.test.yml'), join(scratch, 'rules.test.yml'))
  writeFileSync(join(scratch, 'rules.yml'), changed)
  const { said } = promtool('test', 'rules', join(scratch, 'rules.test.yml'))
  return [...new Set([...said.matchAll(/alertname: (\w+), time/g)].map(([, name]) => name as string))]
}

test('the rules and the configuration of the compose demo are well-formed', () => {
  expect(promtool('check', 'rules', join(folder, 'rules.yml'))).toMatchObject({ status: 0 })
  expect(promtool('check', 'config', join(folder, 'prometheus.yml'))).toMatchObject({ status: 0 })
})

test('every alert fires when it should, and only then', () => {
  expect(promtool('test', 'rules', join(folder, 'rules.test.yml'))).toMatchObject({ status: 0 })
})

test('each alert’s cases fail if it never fires', () => {
  expect(caught('vector(0) > 1').sort()).toEqual([...names].sort())
})

test('each alert has a case with two groups, in which it is about one of them', () => {
  const cases = readFileSync(join(folder, 'rules.test.yml'), 'utf8').split(/^(?= {2}- name: )/m)
  const [ofTwo = ''] = cases.filter((text) => text.startsWith('  - name: two groups of one job'))
  expect([...ofTwo.matchAll(/alertname: (\w+)\n.*\n +exp_alerts:\n/g)].map(([, name]) => name)).toEqual(names)
})

test('the cases fail if an alert does not tell the groups apart', () => {
  const together = (text: string): string => text.replace(/\bgroup, /g, '')
  const ofAGroup = alerts.filter((alert) => together(alert) !== alert)
  expect(ofAGroup.length).toBeGreaterThan(6)
  expect(failing(together(rules)).sort()).toEqual(ofAGroup.map((alert) => names[alerts.indexOf(alert)]).sort())
})

test('each alert’s cases fail if it always fires', () => {
  expect(caught('vector(1)').sort()).toEqual([...names].sort())
})

test.each(alerts.map((alert, index) => [names[index], alert] as const))(
  '%s links to its section of the operations manual',
  (name, alert) => {
    const anchor = /runbook_url: docs\/operations\.md#(\S+)/.exec(alert)?.[1]
    const section = operations.split(/^(?=### )/m).find((text) => anchorOf(text) === anchor)
    expect(section, anchor).toContain(`\`${name}\`, ${/severity: (\w+)/.exec(alert)?.[1]}.`)
  },
)

test('the manual explains only existing alerts', () => {
  expect([...operations.matchAll(/^`(SlsBridge\w+)`, /gm)].map(([, name]) => name).sort()).toEqual([...names].sort())
})

/** The anchor that GitHub makes from a heading. */
function anchorOf(section: string): string {
  const heading = /^#+ (.*)/.exec(section)?.[1] ?? ''
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
}
