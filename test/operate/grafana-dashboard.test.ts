import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Panel } from './dashboard.ts'
import { DASHBOARD, readDashboard } from './dashboard.ts'

const grafana = fileURLToPath(new URL('.tools/grafana/', import.meta.url))
const { panels, templating } = readDashboard()

/** Paths of Grafana's own types for a panel's options and the `custom` part of its fields. */
const PANEL_TYPES: Record<Panel['type'], string> = {
  stat: 'stat/panelcfg/x/StatPanelCfg_types.gen',
  table: 'table/panelcfg/x/TablePanelCfg_types.gen',
  timeseries: 'timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen',
  'state-timeline': 'statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen',
}

/** The dashboard as a TypeScript literal of Grafana's types. JSON has the values of their enums. */
function typed(json: string): string {
  const all = (JSON.parse(json) as ReturnType<typeof readDashboard>).panels
  const imports = Object.entries(PANEL_TYPES).map(
    ([type, path]) => `import type * as ${nameOf(type)} from '@grafana/schema/dist/esm/raw/composable/${path}'`,
  )
  const ofPanels = all.map((panel) => {
    const types = nameOf(panel.type)
    // The fields of a stat have no `custom` part.
    const custom = panel.type === 'stat' ? 'never' : `Json<Partial<${types}.FieldConfig>>`
    const shape = `{ options: Json<${types}.Options>; fieldConfig: { defaults: { custom?: ${custom} } } }`
    const { options, fieldConfig } = panel as unknown as {
      options: object
      fieldConfig: { defaults: { custom: object } }
    }
    const { custom: given } = fieldConfig.defaults
    return `export const panel${panel.id}: ${shape} = ${JSON.stringify({ options, fieldConfig: { defaults: { custom: given } } })}`
  })
  return [
    `import type { Dashboard, Panel } from '@grafana/schema'`,
    ...imports,
    `type Json<T> = T extends string ? \`\${T}\` : T extends number ? (\`\${T}\` extends \`\${infer N extends number}\` ? N : T)`,
    `  : T extends object ? { [K in keyof T]: Json<T[K]> } : T`,
    `type Typed = Omit<Json<Dashboard>, 'panels'> & { panels: Json<Panel>[] }`,
    `export const dashboard: Typed = ${json}`,
    ...ofPanels,
  ].join('\n')
}

function nameOf(type: string): string {
  return type.replace('-', '_')
}

function complaints(json: string): string {
  expect(existsSync(`${grafana}node_modules/@grafana/schema`), 'test/operate/install.sh installs @grafana/schema').toBe(
    true,
  )
  writeFileSync(`${grafana}dashboard.ts`, typed(json))
  const flags = ['--noEmit', '--strict', '--skipLibCheck', '--ignoreConfig', '--module', 'nodenext', '--types', '']
  const { stdout, stderr } = spawnSync('tsc', [...flags, 'dashboard.ts'], { cwd: grafana, encoding: 'utf8' })
  return stdout + stderr
}

test('Grafana’s own types accept the dashboard', () => {
  const json = readFileSync(DASHBOARD, 'utf8')
  expect(complaints(json)).toBe('')
  // The types do reject wrong options of a panel, a wrong field, and wrong settings of the dashboard.
  expect(complaints(json.replace('"showValue": "never"', '"showValue": "sometimes"'))).toContain('sometimes')
  expect(complaints(json.replace('"spanNulls": false', '"spanNuls": false'))).toContain('spanNuls')
  expect(complaints(json.replace('"graphTooltip": 1', '"graphTooltip": 9'))).toContain("'9'")
})

test('every panel has its own id, title, description and place', () => {
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
  )
  expect(new Set(cells).size).toBe(cells.length)
  expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true)
  for (const key of ['id', 'title', 'description'] as const) {
    expect(new Set(panels.map((panel) => panel[key])).size, key).toBe(panels.length)
  }
  expect(panels.filter(({ description }) => !description.endsWith('.'))).toEqual([])
})

test('every query uses the chosen Prometheus and the chosen jobs', () => {
  expect(templating.list.map(({ name }) => name)).toEqual(['datasource', 'job', 'project', 'logstore'])
  const source = { type: 'prometheus', uid: '$datasource' }
  for (const { title, datasource, targets } of panels) {
    expect(datasource, title).toEqual(source)
    for (const { expr, datasource: own } of targets) {
      expect(own, title).toEqual(source)
      const selectors = expr.match(/\w+_\w+(?=[{[]|$)/g)?.length
      expect(expr.match(/\{job=~"\$job"/g)?.length, `${title}: ${expr}`).toBe(selectors)
    }
  }
})

test('the dashboard has the panels that an operator needs', () => {
  const shown = panels.map(({ title }) => title)
  for (const title of [
    'Lag per shard',
    'Owners',
    'Throughput',
    'HEC answers',
    'Acknowledgement latency',
    'In-flight bytes',
    'Dead letters',
    'Pauses',
    'Events by route',
    'Delivered by sink',
    'Failed steps',
  ]) {
    expect(shown).toContain(title)
  }
})
