import { readFileSync } from 'node:fs'

export interface Panel {
  id: number
  type: 'stat' | 'table' | 'timeseries' | 'state-timeline'
  title: string
  description: string
  gridPos: { x: number; y: number; w: number; h: number }
  datasource: unknown
  targets: Array<{ refId: string; expr: string; instant: boolean; range: boolean; datasource: unknown }>
}

export const DASHBOARD = new URL('../../deploy/grafana/dashboards/sls-siem-bridge.json', import.meta.url)

export function readDashboard(): { uid: string; panels: Panel[]; templating: { list: Array<{ name: string }> } } {
  return JSON.parse(readFileSync(DASHBOARD, 'utf8'))
}
