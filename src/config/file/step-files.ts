import { resolve } from 'node:path'
import { exposureOfFile } from '../exposed-files.ts'
import type { Findings } from './findings.ts'
import type { KeyPath, Written } from './written.ts'
import { along, entriesOf, itemsOf, textOf } from './written.ts'

/** Steps that read a file, and the key that names it. */
const FILES = [
  ['k8s_audit_policy', 'file'],
  ['geoip', 'database'],
  ['grok', 'patterns_dir'],
] as const

/** Where shapes name files for a step. */
export function filesOfStep(root: Written, name: string, key: string): KeyPath[] {
  const sources = [...entriesOf(entriesOf(root).get('sources')?.value).keys()].map((source) => ['sources', source])
  const routes = itemsOf(entriesOf(root).get('routes')?.value).map((_, index) => ['routes', index])
  return [...sources, ...routes].flatMap((at) => {
    const { written, whole } = along(root, [...at, 'shape'])
    return (whole ? itemsOf(written) : []).flatMap((step, index) =>
      entriesOf(step).has(name) ? [[...at, 'shape', index, name, key]] : [],
    )
  })
}

/** Warns of the files of steps that others may change. Relative paths start at `folder`. */
export function warnOfExposedFiles(root: Written, folder: string, findings: Findings): void {
  for (const at of FILES.flatMap(([name, key]) => filesOfStep(root, name, key))) {
    const { written, whole } = along(root, at)
    const file = whole ? textOf(written) : undefined
    const exposure = file === undefined ? undefined : exposureOfFile(resolve(folder, file))
    if (exposure !== undefined) findings.warn(at, `others may choose what it holds: ${exposure}`)
  }
}
