import { Draw } from './draw.ts'

/**
 * Generated logs that look like those of users, seeded so that a run can be repeated: cloud audit (about 700 bytes, 16
 * keys), Kubernetes audit (one JSON string of 2–3 KB), web access (about 300 bytes, 10 keys). Only the shapes are real.
 */

export const SAMPLE_KINDS = ['audit', 'kubernetes', 'access'] as const
export type SampleKind = (typeof SAMPLE_KINDS)[number]

export interface SampleGroup {
  topic: string
  source: string
  tags: Array<Record<string, string>>
  logs: Array<{ timestamp: number; timestampNsPart: number; content: Record<string, string> }>
}

export const SAMPLE_TOPICS: Record<SampleKind, string> = {
  audit: 'audit_log',
  kubernetes: 'k8s_audit',
  access: 'nginx_access',
}

/** A small seeded generator (mulberry32); good enough to spread values, never for secrets. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export class SampleLogs {
  readonly #draw: Draw
  #serial = 0

  constructor(seed: number) {
    this.#draw = new Draw(seededRandom(seed))
  }

  /** One log group of `count` logs. Every log carries a `serial` that is unique in this generator. */
  group(kind: SampleKind, count: number, now = Date.now()): SampleGroup {
    const make = { audit: this.#audit, kubernetes: this.#kubernetes, access: this.#access }[kind]
    const logs = Array.from({ length: count }, () => {
      const at = now - Math.floor(this.#draw.fraction() * 1000)
      const content = make.call(this, new Date(at).toISOString())
      return {
        timestamp: Math.floor(at / 1000),
        timestampNsPart: (at % 1000) * 1_000_000 + Math.floor(this.#draw.fraction() * 1_000_000),
        content: { ...content, serial: String(this.#serial++) },
      }
    })
    const source = this.#draw.ip()
    return { topic: SAMPLE_TOPICS[kind], source, tags: [{ __hostname__: `node-${this.#draw.below(20)}` }], logs }
  }

  #audit(time: string): Record<string, string> {
    const user = this.#draw.pick(['alice', 'bob', 'ci-deployer', '运维-张伟', 'root'])
    const [service, event] = this.#draw.pick([
      ['Ecs', 'StopInstance'],
      ['Ram', 'CreateAccessKey'],
      ['Oss', 'PutBucketAcl'],
      ['Rds', 'DescribeDBInstances'],
    ] as const)
    return {
      event_id: this.#draw.hex(32),
      event_name: event,
      event_source: `${service.toLowerCase()}.aliyuncs.com`,
      event_time: time,
      event_type: 'ApiCall',
      event_rw: event.startsWith('Describe') ? 'Read' : 'Write',
      region: this.#draw.pick(['cn-hangzhou', 'cn-shanghai', 'eu-central-1']),
      service_name: service,
      source_ip: this.#draw.ip(),
      user_agent: 'aliyun-cli/3.0.210 (linux; amd64) Go/1.22.4',
      request_id: this.#draw.uuid(),
      account_id: String(1_000_000_000_000_000 + this.#draw.below(1_000_000)),
      user_name: user,
      error_code: this.#draw.fraction() < 0.1 ? 'Forbidden.RAM' : '',
      request_parameters: JSON.stringify({
        InstanceId: `i-${this.#draw.hex(20)}`,
        Force: this.#draw.fraction() < 0.5,
        user,
      }),
    }
  }

  #kubernetes(time: string): Record<string, string> {
    const namespace = this.#draw.pick(['default', 'kube-system', 'payments', 'risk-engine'])
    const name = `api-${this.#draw.hex(10)}-${this.#draw.hex(5)}`
    const pod = {
      metadata: {
        name,
        namespace,
        uid: this.#draw.uuid(),
        labels: { app: 'api', 'pod-template-hash': this.#draw.hex(10) },
      },
      spec: {
        containers: Array.from({ length: 3 }, (_, index) => ({
          name: `container-${index}`,
          image: `registry-vpc.example.com/${namespace}/api@sha256:${this.#draw.hex(64)}`,
          command: ['/bin/sh', '-c', 'exec "$0" "$@" 2>&1 | tee /var/log/app.log'],
          env: [{ name: 'TRACE', value: this.#draw.hex(32) }],
        })),
        nodeName: `cn-hangzhou.${this.#draw.ip()}`,
      },
    }
    return {
      event: JSON.stringify({
        kind: 'Event',
        level: 'RequestResponse',
        auditID: this.#draw.uuid(),
        stage: 'ResponseComplete',
        requestURI: `/api/v1/namespaces/${namespace}/pods/${name}`,
        verb: this.#draw.pick(['get', 'create', 'patch', 'delete']),
        user: { username: `system:serviceaccount:${namespace}:deployer`, groups: ['system:authenticated'] },
        sourceIPs: [this.#draw.ip()],
        objectRef: { resource: 'pods', namespace, name, apiVersion: 'v1' },
        responseStatus: { code: this.#draw.pick([200, 201, 403]) },
        requestObject: pod,
        responseObject: pod,
        requestReceivedTimestamp: time,
        stageTimestamp: time,
      }),
      cluster_id: `c${this.#draw.hex(32)}`,
      stage: 'ResponseComplete',
    }
  }

  #access(): Record<string, string> {
    return {
      remote_addr: this.#draw.ip(),
      request_method: this.#draw.pick(['GET', 'POST', 'PUT']),
      request_uri: `/api/v2/orders/${this.#draw.below(1_000_000)}?page=${this.#draw.below(50)}`,
      status: this.#draw.pick(['200', '200', '200', '304', '404', '502']),
      body_bytes_sent: String(this.#draw.below(60_000)),
      request_time: (this.#draw.fraction() * 2).toFixed(3),
      http_referer: '-',
      http_user_agent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36',
      upstream_addr: `${this.#draw.ip()}:8080`,
    }
  }
}
