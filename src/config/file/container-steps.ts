import type { AuditPolicy } from '../../routing/audit-policy.ts'
import { DOCKER_FORMATS } from '../../routing/step.ts'
import type { TagTemplate } from '../../routing/tag-template.ts'
import { parseTagTemplate } from '../../routing/tag-template.ts'
import { choice as oneOf } from '../parsers.ts'
import type { Described, TextParser } from './shape.ts'
import { defaulting, made, map, named, optional, required, text } from './shape.ts'
import type { Draft } from './step-parts.ts'
import { anyText, field, fieldKey, onFailureKey, parsedBy } from './step-parts.ts'

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

const tag: TextParser<TagTemplate> = {
  allowed: 'text with {{.ID}}, {{.FullID}}, {{.Name}}, {{.ImageName}} or {{.DaemonName}}',
  parse: (value) => parsedBy(parseTagTemplate(value)),
}

export const docker: Described<Draft> = made(
  map(
    {
      format: defaulting(
        'json',
        text(oneOf(...DOCKER_FORMATS), {
          doc: '`inline` has the line as text, `json` as JSON where it is JSON, and `raw` makes a text of tag, attributes and line.',
        }),
      ),
      tag: defaulting(
        '{{.ID}}',
        text(tag, { doc: 'The tag of the container. `""` for none.', example: '"{{.ImageName}}/{{.Name}}/{{.ID}}"' }),
      ),
      attrs: optional(
        named(fieldKey, field('Name of a field.'), {
          doc: 'Fields by the names that they have in `attrs`.',
          example: '{pod: _pod_name_}',
        }),
      ),
    },
    {
      doc: "The event is as Docker's splunk driver makes it of a line of a container.",
      example: '{tag: "{{.ImageName}}/{{.Name}}/{{.ID}}"}',
    },
  ),
  ({ format, tag: template, attrs = new Map<string, string>() }): Draft =>
    () => ({ name: 'docker', format, tag: template, attrs }),
)
