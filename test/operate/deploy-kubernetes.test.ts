import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { METRICS, PREFIX } from '../../src/observability/metrics.ts'
import { REPOSITORY } from './installation.ts'
import type { Manifest } from './kubernetes.ts'
import { kustomized, typeErrors, validate } from './kubernetes.ts'
import { parseYaml } from './yaml.ts'

const FOLDER = 'deploy/kubernetes'
const file = (path: string): string => readFileSync(join(REPOSITORY, path), 'utf8')
const Mi = 1024 * 1024

let manifests: Manifest[] = []
beforeAll(() => {
  manifests = kustomized(`${FOLDER}/example`)
})

function the(kind: string): Manifest {
  const [found, ...more] = manifests.filter((manifest) => manifest.kind === kind)
  if (!found || more.length > 0) throw new Error(`${more.length + (found ? 1 : 0)} of kind ${kind}`)
  return found
}

const pod = () => the('StatefulSet')['spec'].template.spec
const container = () => pod().containers[0]
/** The settings that the bridge gets in its pod. */
function environment(): Record<string, string> {
  return { ...the('ConfigMap')['data'], ...decoded(the('Secret')['data']), SLS_CONSUMER: 'sls-siem-bridge-0' }
}

function decoded(data: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
}

/** Errors that Prometheus's own tool reports for a query. */
function queryErrors(query: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'query-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const rules = join(folder, 'rules.yml')
  writeFileSync(rules, JSON.stringify({ groups: [{ name: 'query', rules: [{ record: 'checked', expr: query }] }] }))
  const { status, stderr, error } = spawnSync('promtool', ['check', 'rules', rules], { encoding: 'utf8' })
  if (error) throw error
  return status === 0 ? '' : stderr
}

describe('the example installation', () => {
  test('contains every resource once', () => {
    const kinds = manifests.map(({ kind }) => kind).sort()
    expect(kinds).toEqual(
      `ConfigMap Namespace NetworkPolicy PodDisruptionBudget PodMonitor PrometheusRule ScaledObject Secret Service
       StatefulSet`.split(/\s+/),
    )
    expect(kustomized(`${FOLDER}/base`).length).toBeGreaterThan(0)
  })

  test('leaves no file of its folders unused', () => {
    for (const part of readdirSync(join(REPOSITORY, FOLDER))) {
      const kustomization = file(`${FOLDER}/${part}/kustomization.yaml`)
      for (const name of readdirSync(join(REPOSITORY, FOLDER, part))) {
        if (name !== 'kustomization.yaml') expect(kustomization, part).toContain(` ${name}\n`)
      }
    }
  })

  test.for([
    ['prometheus-operator', 'PodMonitor PrometheusRule'],
    ['keda', 'ScaledObject'],
  ])('works without %s where the cluster lacks it', ([component, kinds]) => {
    const copy = mkdtempSync(join(tmpdir(), 'kubernetes-'))
    onTestFinished(() => rmSync(copy, { recursive: true, force: true }))
    cpSync(join(REPOSITORY, FOLDER), copy, { recursive: true })
    const kustomization = join(copy, 'example/kustomization.yaml')
    writeFileSync(kustomization, readFileSync(kustomization, 'utf8').replace(`  - ../${component}\n`, ''))
    const left = kustomized(join(copy, 'example')).map(({ kind }) => kind)
    expect(
      manifests
        .map(({ kind }) => kind)
        .filter((kind) => !left.includes(kind))
        .join(' '),
    ).toBe(kinds)
  })

  test('uses the credentials of a role instead of an access key with the rrsa component', async () => {
    const copy = mkdtempSync(join(tmpdir(), 'kubernetes-'))
    onTestFinished(() => rmSync(copy, { recursive: true, force: true }))
    cpSync(join(REPOSITORY, FOLDER), copy, { recursive: true })
    const kustomization = join(copy, 'example/kustomization.yaml')
    writeFileSync(kustomization, readFileSync(kustomization, 'utf8').replace('  # - ../rrsa\n', '  - ../rrsa\n'))
    const withRole = kustomized(join(copy, 'example'))
    for (const manifest of withRole) await expect(validate(manifest), manifest.kind).resolves.toBeUndefined()
    const { serviceAccountName, containers } = withRole.flatMap(({ kind, ...rest }) =>
      kind === 'StatefulSet' ? rest['spec'].template.spec : [],
    )[0]
    const account = withRole.find(({ kind }) => kind === 'ServiceAccount')
    expect(account?.metadata).toMatchObject({
      name: serviceAccountName,
      namespace: the('StatefulSet').metadata.namespace,
    })
    const names = containers[0].env.map(({ name }: { name: string }) => name)
    expect(names).toContain('SPLUNK_HEC_TOKEN_FILE')
    expect(names.filter((name: string) => name.startsWith('SLS_AK_'))).toEqual([])
    const namespace = withRole.find(({ kind }) => kind === 'Namespace')
    expect(namespace?.metadata).toMatchObject({ labels: { 'pod-identity.alibabacloud.com/injection': 'on' } })
  })

  test('is valid against the schema of every kind', async () => {
    for (const manifest of manifests) await expect(validate(manifest), manifest.kind).resolves.toBeUndefined()
    await expect(validate({ ...the('StatefulSet'), spec: { replicas: 'two' } })).rejects.toThrow('replicas')
  })

  test('has no field that is unknown to its kind', () => {
    expect(typeErrors(manifests)).toBe('')
    const service = the('Service')
    const misspelt = { ...service, spec: { ...service['spec'], clusterIp: 'None' } }
    expect(typeErrors([misspelt])).toContain('"clusterIp"')
  })

  test('puts everything into its namespace', () => {
    const elsewhere = manifests.filter(({ kind, metadata }) => kind !== 'Namespace' && !metadata.namespace)
    expect(elsewhere).toEqual([])
  })
})

describe('a replica in its pod', () => {
  test('has a valid configuration without warnings', () => {
    expect(loadConfig(environment())).toMatchObject({
      warnings: [],
      config: { admin: { host: '::', port: 9464 } },
    })
  })

  test('reads every key of the secret from an existing file', () => {
    const { mountPath } = container().volumeMounts.find(({ name }: { name: string }) => name === 'secret')
    const files = container().env.flatMap(({ name, value }: { name: string; value?: string }) =>
      value === undefined ? [] : [[name, value]],
    )
    const keys = Object.keys(the('Secret')['data'])
    expect(files).toEqual(keys.map((key) => [`${key}_FILE`, `${mountPath}/${key}`]))
    expect(pod().volumes[0].secret.secretName).toBe(the('Secret').metadata.name)
  })

  test('has the unique name of its pod in the consumer group', () => {
    expect(container().env).toContainEqual({
      name: 'SLS_CONSUMER',
      valueFrom: { fieldRef: { fieldPath: 'metadata.name' } },
    })
  })

  test('is restarted only when it does not answer; readiness reports pauses', () => {
    expect(container().livenessProbe.httpGet).toEqual({ path: '/livez', port: 'admin' })
    expect(container().readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'admin' })
    expect(container().ports).toContainEqual({ name: 'admin', containerPort: Number(environment()['ADMIN_PORT']) })
    expect(container().startupProbe).toBeUndefined()
  })

  test('has more time to stop than it needs to drain', () => {
    expect(pod().terminationGracePeriodSeconds).toBeGreaterThan(Number(environment()['SHUTDOWN_GRACE_SECONDS']))
  })

  test('runs unprivileged, writes only its dead letter, and meets the restricted policy', () => {
    expect(pod()).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    })
    expect(container().securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(the('Namespace').metadata).toMatchObject({ labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } })
  })

  test('keeps its dead letter on a volume that outlives it', () => {
    const { volumeClaimTemplates, persistentVolumeClaimRetentionPolicy } = the('StatefulSet')['spec']
    const claim = volumeClaimTemplates[0].metadata.name
    const mount = container().volumeMounts.find(({ name }: { name: string }) => name === claim)
    expect(environment()['DEAD_LETTER_DIR']?.startsWith(`${mount.mountPath}/`)).toBe(true)
    expect(persistentVolumeClaimRetentionPolicy).toEqual({ whenDeleted: 'Retain', whenScaled: 'Retain' })
  })

  test('gets the memory that its byte budget needs, and no CPU limit', () => {
    const budget = Number(environment()['MAX_IN_FLIGHT_BYTES'])
    const { requests, limits } = container().resources
    expect(environment()['MAX_IN_FLIGHT_BYTES']).toBe(SETTINGS.MAX_IN_FLIGHT_BYTES.default)
    expect(Number.parseInt(requests.memory, 10) * Mi).toBe(128 * Mi + 3 * budget)
    expect(Number.parseInt(limits.memory, 10) * Mi).toBe(256 * Mi + 4 * budget)
    expect(limits.cpu).toBeUndefined()
  })
})

describe('around the replicas', () => {
  test('every pod selector selects these pods', () => {
    const { labels } = the('StatefulSet')['spec'].template.metadata
    const selectors = [
      the('StatefulSet')['spec'].selector.matchLabels,
      the('PodDisruptionBudget')['spec'].selector.matchLabels,
      the('NetworkPolicy')['spec'].podSelector.matchLabels,
      the('PodMonitor')['spec'].selector.matchLabels,
      the('Service')['spec'].selector,
      ...pod().topologySpreadConstraints.map((spread: Manifest) => spread['labelSelector'].matchLabels),
    ]
    expect(selectors).toEqual(selectors.map(() => labels))
  })

  test('the network policy allows what the configuration needs', () => {
    const { ingress, egress } = the('NetworkPolicy')['spec']
    const out = egress.flatMap(({ ports }: Manifest) => ports).map(({ port }: { port: number }) => port)
    for (const name of ['SLS_ENDPOINT', 'SPLUNK_HEC_URL']) {
      const { port, protocol } = new URL(environment()[name] as string)
      expect(out, name).toContain(Number(port) || { 'https:': 443, 'http:': 80 }[protocol])
    }
    expect(ingress).toHaveLength(1)
    expect(ingress[0].ports).toEqual([{ protocol: 'TCP', port: 'admin' }])
  })

  test('a paused group does not block the drain of a node', () => {
    expect(the('PodDisruptionBudget')['spec']).toMatchObject({ unhealthyPodEvictionPolicy: 'AlwaysAllow' })
  })

  test('Prometheus finds the metrics, and its rules equal deploy/prometheus', () => {
    const [endpoint] = the('PodMonitor')['spec'].podMetricsEndpoints
    expect(endpoint).toMatchObject({ port: 'admin', path: '/metrics' })
    expect([the('PrometheusRule')['spec']]).toEqual(parseYaml(file('deploy/prometheus/rules.yml')))
  })

  test('the rules are an exact copy (vitest -u writes it)', async () => {
    const head = `# A copy of deploy/prometheus/rules.yml. A test compares the two; vitest -u writes this one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: sls-siem-bridge
  labels: { app.kubernetes.io/name: sls-siem-bridge }
spec:
`
    const rules = file('deploy/prometheus/rules.yml').replace(/^(?=.)/gm, '  ')
    await expect(head + rules).toMatchFileSnapshot(join(REPOSITORY, FOLDER, 'prometheus-operator/prometheus-rule.yaml'))
  })

  test('scaling queries existing metrics of this installation only, and nothing else sets the number of replicas', () => {
    const { spec } = the('ScaledObject')
    const { query } = spec.triggers[0].metadata
    expect(queryErrors(query)).toBe('')
    expect(queryErrors(`${query} and`)).toContain('parse error')
    const names = [...query.matchAll(/sls_bridge_(\w+)/g)].map(([, name]) => name)
    expect(names.length).toBeGreaterThan(0)
    expect(
      Object.keys(METRICS)
        .filter((name) => names.includes(name))
        .sort(),
    ).toEqual(names.sort())
    expect(PREFIX).toBe('sls_bridge_')
    const namespaces = [...query.matchAll(/namespace="([^"]*)"/g)].map(([, name]) => name)
    expect(namespaces).toEqual(names.map(() => the('StatefulSet').metadata.namespace))
    expect(spec.scaleTargetRef).toMatchObject({ kind: 'StatefulSet', name: the('StatefulSet').metadata.name })
    expect(the('StatefulSet')['spec'].replicas).toBeUndefined()
    expect(spec.maxReplicaCount).toBe(8)
  })
})
