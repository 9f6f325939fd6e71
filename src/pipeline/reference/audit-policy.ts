import type { AuditPolicy, AuditResources, AuditRule } from '../../routing/audit-policy.ts'

/** A request to kube-apiserver, as its policy sees it. */
export interface AuditedRequest {
  /** `undefined` if nobody was authenticated. */
  readonly user: string | undefined
  readonly groups: readonly string[]
  readonly verb: string
  /** Absent: the request is about no resource, but about a path. */
  readonly object: AuditedObject | undefined
  /** Without its query, decoded. */
  readonly path: string
}

interface AuditedObject {
  readonly apiGroup: string
  readonly resource: string
  readonly subresource: string
  readonly namespace: string
  readonly name: string
}

/** The rule that decides, as kube-apiserver's matcher finds it. */
export function ruleFor({ rules }: AuditPolicy, request: AuditedRequest): AuditRule | undefined {
  return rules.find((rule) => matches(rule, request))
}

function matches(rule: AuditRule, { user, groups, verb, object, path }: AuditedRequest): boolean {
  const { users, userGroups, verbs, namespaces, resources, nonResourceURLs } = rule
  if (users.length > 0 && (user === undefined || !users.includes(user))) return false
  if (userGroups.length > 0 && (user === undefined || !groups.some((group) => userGroups.includes(group)))) return false
  if (verbs.length > 0 && !verbs.includes(verb)) return false
  if (namespaces.length > 0 || resources.length > 0) return object !== undefined && matchesObject(rule, object)
  if (nonResourceURLs.length > 0) return object === undefined && nonResourceURLs.some((url) => isUnder(url, path))
  return true
}

function matchesObject({ namespaces, resources }: AuditRule, object: AuditedObject): boolean {
  if (namespaces.length > 0 && !namespaces.includes(object.namespace)) return false
  return resources.length === 0 || resources.some((one) => isAmong(one, object))
}

function isAmong({ group, resources, resourceNames }: AuditResources, object: AuditedObject): boolean {
  if (group !== '*' && group !== object.apiGroup) return false
  if (resources.length === 0) return true
  if (resourceNames.length > 0 && !resourceNames.includes(object.name)) return false
  return resources.some((pattern) => isResource(pattern, object))
}

/** `pods/*` takes the pods themselves, too. */
function isResource(pattern: string, { resource, subresource }: AuditedObject): boolean {
  if (pattern === '*' || pattern === (subresource === '' ? resource : `${resource}/${subresource}`)) return true
  if (subresource !== '' && pattern === `*/${subresource}`) return true
  return pattern === `${resource}/*`
}

function isUnder(url: string, path: string): boolean {
  return url.endsWith('*') ? path.startsWith(url.slice(0, -1)) : path === url
}
