import type { MakeContents } from './draw.ts'
import { Draw } from './draw.ts'
import type { SampleGroup } from './sample-logs.ts'
import { seededRandom } from './sample-logs.ts'
import { actionTrail, kubernetesAudit, vpcFlow, waf } from './source-audits.ts'
import { dockerLine, falcoAlert, sysdigLine } from './source-containers.ts'
import { apacheLine, iptablesLine, nginxAccess, syslogLine } from './source-lines.ts'

/** Sources with a documented topic have that topic. The others have one by which they are told apart. */
const SOURCES = {
  actiontrail: { topic: 'actiontrail_audit_event', make: actionTrail },
  k8s_audit: { topic: 'k8s_audit', make: kubernetesAudit },
  waf: { topic: 'waf_access_log', make: waf },
  nginx: { topic: 'nginx_access', make: nginxAccess },
  apache: { topic: 'apache_access', make: apacheLine },
  syslog: { topic: 'syslog', make: syslogLine },
  iptables: { topic: 'iptables', make: iptablesLine },
  docker: { topic: 'container_stdout', make: dockerLine },
  falco: { topic: 'falco', make: falcoAlert },
  sysdig: { topic: 'sysdig', make: sysdigLine },
  vpc_flow: { topic: 'flow_log', make: vpcFlow },
} as const satisfies Readonly<Record<string, { readonly topic: string; readonly make: MakeContents }>>

export type SourceKind = keyof typeof SOURCES
export const SOURCE_KINDS = Object.keys(SOURCES) as readonly SourceKind[]

/** Logs with the fields that real sources write. The same seed makes the same logs, but for their times. */
export class SourceLogs {
  readonly #draw: Draw

  constructor(seed: number) {
    this.#draw = new Draw(seededRandom(seed))
  }

  group(kind: SourceKind, count: number, now = Date.now()): SampleGroup {
    const { topic, make } = SOURCES[kind]
    const draw = this.#draw
    const logs = Array.from({ length: count }, () => {
      const at = now - draw.below(1000)
      return {
        timestamp: Math.floor(at / 1000),
        timestampNsPart: (at % 1000) * 1_000_000 + draw.below(1_000_000),
        content: make(draw, new Date(at)),
      }
    })
    return { topic, source: draw.ip(), tags: [{ __hostname__: `node-${draw.below(20)}` }], logs }
  }
}
