import { describe, expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import type { ClientProcess } from './client.ts'
import { chosen, startClient } from './client.ts'
import type { LogGroupLine } from './log-groups.ts'
import { startSocksProxy } from './proxies.ts'

const LANGUAGES = (['python', 'go', 'java'] as const).filter(chosen)

/** Waits until that many groups were consumed. Throws when the consumer ends before, or after a minute. */
async function consumed(reader: ClientProcess, count: number): Promise<LogGroupLine[]> {
  const enough = new Promise<void>((resolve) => {
    const look = () => reader.groups.length >= count && resolve()
    reader.onGroup = look
    look()
  })
  await Promise.race([enough, reader.exited, new Promise((resolve) => setTimeout(resolve, 60_000))])
  expect(reader.groups.length, reader.stderr).toBe(count)
  return reader.groups
}

describe('an ordered consumer group', () => {
  test.for(LANGUAGES)('%s: a shard is split and merged under a worker', async (language) => {
    const sls = await startSlsEmulator({ projects: { conformance: { audit: {} } }, shards: 1 })
    const socks = await startSocksProxy(sls.port)
    const writer = new OfficialClient({
      ...{
        endpoint: sls.url,
        project: sls.logstore().project,
        logstore: sls.logstore().name,
        userAgent: 'conformance',
      },
      ...{ accessKeyId: sls.accessKeyId, accessKeySecret: new Secret(sls.accessKeySecret) },
    })
    const reader = startClient(
      language,
      { sls, proxyPort: sls.port, socksPort: socks.port },
      {
        ...{ command: 'consume', compression: 'lz4', signature: 'v1', group: 'ordered', consumer: 'reader' },
        ...{ heartbeatSeconds: 1, timeoutSeconds: 6, inOrder: true },
      },
    )
    onTestFinished(async () => {
      if (reader.running) await reader.kill('SIGKILL')
      writer.close()
      await socks.close()
      await sls.close()
    })
    const logstore = sls.logstore()
    const write = async (count: number) => {
      for (let i = 0; i < count; i++) {
        await writer.write({ topic: 't', logs: [{ timestamp: Math.floor(Date.now() / 1000), content: { i: `${i}` } }] })
      }
    }

    // The checkpoint is at the end before the split; no worker commits it again.
    await write(4)
    await consumed(reader, 4)
    logstore.split(0, {})
    await write(4)
    await consumed(reader, 8)
    // Here the last log of the parents is not consumed yet.
    await write(4)
    logstore.merge(1)
    await write(4)
    const groups = await consumed(reader, 16)

    expect(groups.slice(0, 4).map(({ shard }) => shard)).toEqual([0, 0, 0, 0])
    expect(new Set(groups.slice(4, 12).map(({ shard }) => shard))).toEqual(new Set([1, 2]))
    expect(groups.slice(12).map(({ shard }) => shard)).toEqual([3, 3, 3, 3])
    expect(await reader.kill('SIGTERM'), reader.stderr).toEqual({ code: 0, signal: null })
    const shards = sls.state().logstores[0]?.consumerGroups[0]?.shards
    expect(shards?.map(({ state, behind }) => [state, behind])).toEqual([
      ...[0, 1, 2].map(() => ['O', 0]),
      [expect.stringMatching(/[AN]/), 0],
    ])
  })
})
