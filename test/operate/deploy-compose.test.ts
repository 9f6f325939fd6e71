import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { REPOSITORY } from './installation.ts'
import { parseYaml } from './yaml.ts'

interface Service {
  image: string
  command?: string[]
  environment?: Record<string, string>
  networks?: { default: { aliases: string[] } }
  deploy?: { replicas: number }
  stop_grace_period?: string
  volumes?: string[]
  ports?: string[]
  read_only?: boolean
  depends_on?: string[]
}
interface Compose {
  services: Record<'sls' | 'hec' | 'producer' | 'bridge' | 'prometheus' | 'grafana', Service>
  volumes: Record<string, object>
}

const file = (path: string): string => readFileSync(join(REPOSITORY, path), 'utf8')
const [{ services, volumes }] = parseYaml<Compose>(file('docker-compose.yml')) as [Compose]
const { sls, hec, bridge, prometheus, grafana } = services
const dockerfile = file('deploy/Dockerfile')
const baked = Object.fromEntries(
  [...(/^ENV (.*)$/m.exec(dockerfile)?.[1] ?? '').matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
)
const loaded = loadConfig({ ...baked, ...bridge.environment })
const option = ({ command = [] }: Service, name: string) =>
  command.find((argument) => argument.startsWith(`${name}=`))?.slice(name.length + 1)

/** Path of a repository folder inside a service's container. */
function mounted(service: Service, folder: string): string | undefined {
  const volume = service.volumes?.find((candidate) => candidate.startsWith(`./${folder}:`))
  return volume?.split(':')[1]
}

describe('docker-compose.yml', () => {
  test('has two or more replicas with a valid configuration', () => {
    expect(bridge.deploy?.replicas).toBeGreaterThanOrEqual(2)
    expect(loaded).toMatchObject({
      warnings: [
        expect.stringMatching(/^SLS_ENDPOINT: .*the connection to .* is not encrypted/),
        expect.stringMatching(/^SPLUNK_HEC_URL: .*the connection to .* is not encrypted/),
        expect.stringMatching(/^SPLUNK_SEARCH_URL: .*the connection to .* is not encrypted/),
      ],
      config: { admin: { host: '::', port: 9464 } },
    })
  })

  test('points them to its own emulator and receiver, by their names and ports', () => {
    const { SLS_ENDPOINT, SLS_PROJECT, SPLUNK_HEC_URL, SPLUNK_HEC_TOKEN } = bridge.environment as Record<string, string>
    const endpoint = new URL(SLS_ENDPOINT as string)
    expect(endpoint.port).toBe(option(sls, '--port'))
    expect(SLS_PROJECT).toBe(option(sls, '--project'))
    // The bridge and the vendor's client prefix the host name with the project.
    expect(sls.networks?.default.aliases).toEqual([endpoint.hostname, `${SLS_PROJECT}.${endpoint.hostname}`])
    expect(SPLUNK_HEC_URL).toBe(`http://hec:${option(hec, '--port')}`)
    expect(SPLUNK_HEC_TOKEN).toBe(hec.environment?.['SPLUNK_HEC_TOKEN'])
    for (const service of [sls, hec]) expect(option(service, '--host')).toBe('0.0.0.0')
  })

  test('lets reconcile ask the receiver, and both ends expire data, so that it can run for days', () => {
    const { SPLUNK_HEC_URL, SPLUNK_SEARCH_URL, SPLUNK_SEARCH_TOKEN } = bridge.environment as Record<string, string>
    expect(SPLUNK_SEARCH_URL).toBe(SPLUNK_HEC_URL)
    expect(SPLUNK_SEARCH_TOKEN).toBe(option(hec, '--search-token'))
    expect(option(hec, '--keep-seconds')).toBe(option(sls, '--retention-seconds'))
  })

  test('gives a replica more time to stop than it needs to drain, and its dead letter a volume', () => {
    const config = 'config' in loaded ? loaded.config : undefined
    const stopGraceMs = Number.parseInt(bridge.stop_grace_period as string, 10) * 1000
    expect(stopGraceMs).toBeGreaterThan(config?.shutdownGraceMs as number)
    const [mount] = bridge.volumes as [string]
    const [volume, target] = mount.split(':') as [string, string]
    expect(volumes).toHaveProperty(volume)
    expect(config?.deadLetterDir.startsWith(`${target}/`)).toBe(true)
  })

  test('mounts only files that exist', () => {
    const mounts = Object.values(services).flatMap((service) => service.volumes ?? [])
    const folders = mounts.map((mount) => mount.split(':')[0] as string).filter((source) => source.startsWith('.'))
    expect(folders.length).toBeGreaterThan(0)
    expect(folders.filter((folder) => !existsSync(join(REPOSITORY, folder)))).toEqual([])
  })

  test('makes Prometheus scrape every replica, with the rules', () => {
    expect(mounted(prometheus, 'deploy/prometheus')).toBe('/etc/prometheus')
    const [scraping] = parseYaml<{ rule_files: string[]; scrape_configs: [{ dns_sd_configs: object[] }] }>(
      file('deploy/prometheus/prometheus.yml'),
    )
    expect(scraping?.rule_files).toEqual(['rules.yml'])
    expect(scraping?.scrape_configs[0].dns_sd_configs).toMatchObject([
      { names: ['bridge'], type: 'A', port: Number(baked['ADMIN_PORT']) },
    ])
  })

  test('lets Grafana find the dashboard and Prometheus', () => {
    const provisioning = 'deploy/grafana/provisioning'
    expect(mounted(grafana, provisioning)).toBe('/etc/grafana/provisioning')
    const [dashboards] = parseYaml<{ providers: [{ options: { path: string } }] }>(
      file(`${provisioning}/dashboards/sls-siem-bridge.yml`),
    )
    expect(mounted(grafana, 'deploy/grafana/dashboards')).toBe(dashboards?.providers[0].options.path)
    const [sources] = parseYaml<{ datasources: [{ url: string }] }>(file(`${provisioning}/datasources/prometheus.yml`))
    expect(sources?.datasources[0].url).toBe('http://prometheus:9090')
  })

  test('publishes its ports only to this machine', () => {
    const ports = Object.values(services).flatMap((service) => service.ports ?? [])
    expect(ports).toEqual(['127.0.0.1:9090:9090', '127.0.0.1:3000:3000'])
  })
})

describe('the image', () => {
  test('runs the bridge unprivileged, and signals reach it directly', () => {
    expect(dockerfile).toMatch(/^USER 1000:1000$/m)
    expect(dockerfile).toMatch(/^ENTRYPOINT \["node", "--disable-sigusr1", "dist\/main.js"\]$/m)
    expect(dockerfile).toMatch(/^HEALTHCHECK .*\/livez/m)
  })

  test('copies only files that the build context includes', () => {
    const seen = [...file('.dockerignore').matchAll(/^!(.*)$/gm)].map(([, name]) => name)
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files]) => files?.split(' '))
    expect(copied.filter((name) => !seen.includes(name))).toEqual([])
  })
})
