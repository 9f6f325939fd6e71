import { resolve } from 'node:path'
import type { AuditPolicy } from '../../routing/audit-policy.ts'
import type { Problem } from '../problems.ts'
import { policyOf } from './audit-policy.ts'
import type { Findings } from './findings.ts'
import { readConfigFile } from './read.ts'
import { filesOfStep } from './step-files.ts'
import type { Written } from './written.ts'
import { along, textOf } from './written.ts'

/**
 * The audit policies that steps of a configuration file name, by their paths as they are written, and the problems of these
 * files. Relative paths start at `folder`.
 */
export function auditPoliciesOf(
  root: Written,
  folder: string,
  findings: Findings,
): { readonly policies: ReadonlyMap<string, AuditPolicy>; readonly problems: readonly Problem[] } {
  const policies = new Map<string, AuditPolicy>()
  const problems: Problem[] = []
  const seen = new Set<string>()
  for (const path of filesOfStep(root, 'k8s_audit_policy', 'file')) {
    const { written, whole } = along(root, path)
    const file = whole ? textOf(written) : undefined
    if (file === undefined || seen.has(file)) continue
    seen.add(file)
    const read = readConfigFile(resolve(folder, file))
    if ('problem' in read) {
      const { problem, allowed, passing } = read.problem
      findings.refuse(path, { problem, allowed, passing })
      continue
    }
    const found = policyOf(read.text, resolve(folder, file))
    if ('problems' in found) problems.push(...found.problems)
    else policies.set(file, found.policy)
  }
  return { policies, problems }
}
