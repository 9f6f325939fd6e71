/** Levels of a Kubernetes audit event, the lowest first. */
export const AUDIT_LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'] as const
type AuditLevel = (typeof AUDIT_LEVELS)[number]

export const AUDIT_STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const

/** A policy of `audit.k8s.io/v1`. The first rule that matches decides; without one the level is `None`. */
export interface AuditPolicy {
  readonly rules: readonly AuditRule[]
}

/** Empty lists are as if they were not given. */
export interface AuditRule {
  readonly level: AuditLevel
  readonly users: readonly string[]
  readonly userGroups: readonly string[]
  readonly verbs: readonly string[]
  readonly namespaces: readonly string[]
  readonly resources: readonly AuditResources[]
  readonly nonResourceURLs: readonly string[]
  /** With those of the policy. */
  readonly omitStages: readonly string[]
  /** Of the policy, unless the rule says otherwise. */
  readonly omitManagedFields: boolean
}

export interface AuditResources {
  /** Empty: the core group. `*`: every group. */
  readonly group: string
  /** `pods`, `pods/log`, `pods/*`, a star with a subresource, or `*`. Empty: all of the group. */
  readonly resources: readonly string[]
  readonly resourceNames: readonly string[]
}
