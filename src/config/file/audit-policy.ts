import type { AuditPolicy } from '../../routing/audit-policy.ts'
import { AUDIT_LEVELS, AUDIT_STAGES } from '../../routing/audit-policy.ts'
import { boolean } from '../parsers.ts'
import type { Problem } from '../problems.ts'
import { YamlDocument } from './document.ts'
import { Findings } from './findings.ts'
import type { Described, TextParser } from './shape.ts'
import { anything, list, map, optional, required, text } from './shape.ts'
import { valuesOf } from './values.ts'
import type { KeyPath } from './written.ts'

/** The policy that a file holds, with the checks of kube-apiserver, or all problems of the file, each with its place. */
export function policyOf(source: string, file: string): { policy: AuditPolicy } | { problems: readonly Problem[] } {
  // kube-apiserver replaces nothing in its policy.
  const document = new YamlDocument(source, { of: (value) => ({ text: value, replaced: [] }) })
  const { root } = document
  if (root === undefined) {
    const problems = document.problems.map(({ at, ...problem }) => ({
      variable: '',
      place: `${file}:${document.placeOf(at)}`,
      ...problem,
    }))
    return { problems }
  }
  const findings = new Findings(file, document, root)
  const values = valuesOf(policyDescription, root, findings)
  for (const [index, rule] of (values?.rules ?? []).entries()) checkRule(rule, ['rules', index], findings)
  const { problems } = findings
  return values === undefined || problems.length > 0 ? { problems } : { policy: madeOf(values) }
}

/** Of several words, one as it is written. Kubernetes takes no other case. */
function exactly<const T extends string>(...words: readonly T[]): TextParser<T> {
  return {
    allowed: words.join(', '),
    parse(value) {
      const found = words.find((word) => word === value)
      return found === undefined ? { refused: 'is not one of these' } : { value: found }
    },
  }
}

/** Group names have no version. */
const group: TextParser<string> = {
  allowed: 'an API group without its version (apps, rbac.authorization.k8s.io), "" for the core group, or *',
  parse: (value) =>
    /^(?:\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$/.test(value)
      ? { value }
      : { refused: 'is no API group' },
}

const url: TextParser<string> = {
  allowed: 'a path such as /metrics, /healthz*, or *',
  parse(value) {
    if (value === '*') return { value }
    if (!value.startsWith('/')) return { refused: 'does not begin with /' }
    return value.slice(0, -1).includes('*') ? { refused: 'has a * that is not its last character' } : { value }
  },
}

const name: TextParser<string> = { allowed: 'text', parse: (value) => ({ value }) }
const names = (doc: string) => optional(list(text(name, { doc }), { doc }))
const stages = optional(list(text(exactly(...AUDIT_STAGES), { doc: 'A stage.' }), { doc: 'Stages without events.' }))
const managedFields = optional(text(boolean, { doc: 'Whether managed fields are taken out of bodies.' }))

const resourcesDescription = map(
  {
    group: optional(text(group, { doc: 'The API group.' })),
    resources: names('Resources.'),
    resourceNames: names('Names of objects.'),
  },
  { doc: 'Resources of one group.' },
)

const ruleDescription = map(
  {
    level: required(text(exactly(...AUDIT_LEVELS), { doc: 'The level.' })),
    users: names('Users.'),
    userGroups: names('Groups of users.'),
    verbs: names('Verbs.'),
    resources: optional(list(resourcesDescription, { doc: 'Resources.' })),
    namespaces: names('Namespaces.'),
    nonResourceURLs: optional(list(text(url, { doc: 'A path.' }), { doc: 'Paths of requests without a resource.' })),
    omitStages: stages,
    omitManagedFields: managedFields,
  },
  { doc: 'A rule.' },
)

const policyDescription = map(
  {
    apiVersion: required(text(exactly('audit.k8s.io/v1', 'audit.k8s.io/v1beta1'), { doc: 'The version.' })),
    kind: required(text(exactly('Policy'), { doc: 'The kind.' })),
    metadata: optional(anything({ doc: 'Names and labels.' })),
    rules: required(list(ruleDescription, { doc: 'The rules.' })),
    omitStages: stages,
    omitManagedFields: managedFields,
  },
  { doc: 'A policy.' },
)

type Values<D> = D extends Described<infer T> ? T : never
type RuleValues = Values<typeof ruleDescription>

/** As kube-apiserver does. */
function checkRule({ nonResourceURLs = [], ...rule }: RuleValues, path: KeyPath, findings: Findings): void {
  const { resources = [], namespaces = [] } = rule
  if (nonResourceURLs.length > 0 && resources.length + namespaces.length > 0) {
    const problem = 'stands beside resources or namespaces, and no request has both'
    findings.refuse([...path, 'nonResourceURLs'], { problem, allowed: 'a rule of its own', ofKey: true })
  }
  for (const [index, { resources: kinds = [], resourceNames = [] }] of resources.entries()) {
    if (resourceNames.length === 0 || kinds.length > 0) continue
    const problem = 'needs resources beside it'
    findings.refuse([...path, 'resources', index, 'resourceNames'], { problem, ofKey: true })
  }
}

function madeOf({ rules, ...policy }: Values<typeof policyDescription>): AuditPolicy {
  const { omitStages = [], omitManagedFields = false } = policy
  return {
    rules: rules.map((rule) => ({
      level: rule.level,
      users: rule.users ?? [],
      userGroups: rule.userGroups ?? [],
      verbs: rule.verbs ?? [],
      namespaces: rule.namespaces ?? [],
      resources: (rule.resources ?? []).map((one) => ({
        group: one.group ?? '',
        resources: one.resources ?? [],
        resourceNames: one.resourceNames ?? [],
      })),
      nonResourceURLs: rule.nonResourceURLs ?? [],
      omitStages: [...omitStages, ...(rule.omitStages ?? [])],
      omitManagedFields: rule.omitManagedFields ?? omitManagedFields,
    })),
  }
}
