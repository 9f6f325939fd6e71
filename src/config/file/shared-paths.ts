import { resolve } from 'node:path'
import type { Findings } from './findings.ts'
import type { Written } from './written.ts'
import { entriesOf, textOf } from './written.ts'

/** Two sinks that write one file would rotate it under each other. `folder` is where relative paths start. */
export function refuseSharedPaths(root: Written, folder: string, findings: Findings): void {
  const seen = new Map<string, string>()
  for (const [name, { value }] of entriesOf(entriesOf(root).get('sinks')?.value)) {
    const path = textOf(entriesOf(value).get('path')?.value)
    if (path === undefined) continue
    const file = path === '-' ? path : resolve(folder, path)
    const twin = seen.get(file)
    if (twin === undefined) seen.set(file, name)
    else {
      const problem = `is the path of sinks.${twin}, too`
      findings.refuse(['sinks', name, 'path'], { problem, allowed: 'a path of its own' })
    }
  }
}
