import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Compose } from './compose.ts'
import { REPOSITORY } from './installation.ts'

const SHARDS = 8
const REPLICAS = 3
// Without Grafana: it has no stand-in on machines that cannot get images. grafana-dashboard.test.ts tests its files.
const SERVICES = ['sls', 'hec', 'producer', 'bridge', 'prometheus']

const compose = new Compose()
const began = now()

beforeAll(async () => {
  // Removes the remains of a run that was killed.
  await compose.down()
  await compose.done('build', 'bridge')
  await compose.done('up', '--detach', '--no-build', '--scale', `bridge=${REPLICAS}`, ...SERVICES)
}, 600_000)

afterAll(() => compose.end())

function now(): number {
  return Math.floor(Date.now() / 1000)
}

const eventually = (look: () => unknown) => expect.poll(look, { timeout: 120_000, interval: 1_000 })

/** Waits until every shard's checkpoint is past this moment, so everything received before it is settled. */
async function deliveredUntil(moment: number): Promise<void> {
  await eventually(async () => {
    const asked = now()
    const shards = await compose.lag()
    const past = shards.filter(({ state, lagSeconds }) => state === 'caught up' || asked - lagSeconds - 1 > moment)
    return past.length
  }).toBe(SHARDS)
}

describe('a container of the image', () => {
  test('is healthy by its own check, and the check fails when a replica does not answer', async () => {
    const [, check = ''] =
      /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(readFileSync(join(REPOSITORY, 'deploy/Dockerfile'), 'utf8')) ?? []
    const command: string[] = JSON.parse(check)
    await eventually(async () => (await compose.inBridge(...command)).exitCode).toBe(0)
    expect(await compose.inBridge('env', 'ADMIN_PORT=1', ...command)).toMatchObject({ exitCode: 1 })
  })

  test('runs unprivileged without capabilities, and writes only to the folder of its dead letter', async () => {
    const { stdout } = await compose.inBridge('cat', '/proc/1/status')
    expect(stdout).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m)
    expect(stdout).toMatch(/^CapBnd:\t0+$/m)
    expect(stdout).toMatch(/^NoNewPrivs:\t1$/m)
    const touch = 'touch "$1/file" && rm "$1/file"'
    const letters = await compose.inBridge('sh', '-c', touch, 'sh', '/var/lib/sls-siem-bridge/dead-letter')
    expect(letters).toMatchObject({ exitCode: 0, stderr: '' })
    const asRoot = await compose.run('exec', '-T', '--user', 'root', 'bridge', 'sh', '-c', touch, 'sh', '/app')
    expect(asRoot.stderr).toContain('Read-only file system')
  })
})

describe('docker compose up', () => {
  test('accepts its file without a remark', async () => {
    const { exitCode, stderr } = await compose.run('--file', 'docker-compose.yml', 'config', '--quiet')
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  })

  test('makes three replicas share the shards, and Prometheus sees each of them deliver', async () => {
    await eventually(async () => {
      const shards = await compose.lag()
      const owners = shards.map(({ owner }) => owner)
      return [...new Set(owners)].map((name) => owners.filter((owner) => owner === name).length).sort()
    }).toEqual([2, 3, 3])
    const prometheus = `http://${await compose.published('prometheus', 9090)}`
    const delivering = 'up == 1 and on (instance) sum by (instance) (rate(sls_bridge_events_delivered_total[1m])) > 0'
    await eventually(async () => {
      const response = await fetch(`${prometheus}/api/v1/query?${new URLSearchParams({ query: delivering })}`)
      return ((await response.json()) as { data: { result: unknown[] } }).data.result.length
    }).toBe(REPLICAS)
  })

  test('loses nothing when all replicas are killed in the middle of their work and started again', async () => {
    await deliveredUntil(now())
    await compose.done('kill', '--signal', 'SIGKILL', 'bridge')
    expect(await compose.ends()).toEqual(Array(REPLICAS).fill(137))
    await compose.done('start', 'bridge')
    const started = now()
    await deliveredUntil(started)
    const { exitCode, total } = await compose.reconcile(began, started)
    expect({ exitCode, ...total }).toMatchObject({ exitCode: 0, missing: 0, pending: 0, deadLettered: 0 })
    expect(total.wanted).toBeGreaterThan(1_000)
  })

  test('stops every replica with exit code 0 and everything committed; after a start nothing is repeated', async () => {
    const running = now()
    await deliveredUntil(running)
    await compose.done('stop', 'bridge')
    expect(await compose.ends()).toEqual(Array(REPLICAS).fill(0))
    await compose.done('start', 'bridge')
    const started = now()
    await deliveredUntil(started)
    const { total } = await compose.reconcile(running, started)
    expect(total).toMatchObject({ missing: 0, pending: 0, deadLettered: 0, duplicated: 0 })
    expect(total.wanted).toBeGreaterThan(1_000)
  })
})
