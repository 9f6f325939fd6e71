import type { AuditPolicy } from '../../routing/audit-policy.ts'
import type { Described } from './shape.ts'
import { made, map, optional, required, text } from './shape.ts'
import type { Draft } from './step-parts.ts'
import { anyText, field, onFailureKey } from './step-parts.ts'

export const auditPolicy: Described<Draft> = made(
  map(
    {
      field: optional(field('The content that holds the event. Without it: the contents of the log are the event.')),
      file: required(
        text(anyText, {
          doc: 'A policy of `audit.k8s.io/v1` or `v1beta1`. A relative path starts at the folder of this file.',
          example: 'audit-policy.yaml',
        }),
      ),
      on_failure: onFailureKey,
    },
    {
      doc: 'Lowers the level of Kubernetes audit events, or drops them, as kube-apiserver would under this policy.',
      example: '{field: event, file: audit-policy.yaml}',
    },
  ),
  ({ field: from, file, on_failure }): Draft =>
    (byDefault, { policies }) => ({
      name: 'k8s_audit_policy',
      ...(from !== undefined && { field: from }),
      policy: policies.get(file) as AuditPolicy,
      onFailure: on_failure ?? byDefault,
    }),
)
