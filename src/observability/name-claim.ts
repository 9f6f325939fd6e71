import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** A consumer's name in one consumer group. */
export interface ConsumerName {
  readonly endpoint: string
  readonly project: string
  readonly logstores: readonly string[]
  readonly consumerGroup: string
  readonly consumer: string
}

/**
 * Whether no other process of this machine has claimed the name. The claim is a socket without a file, so it ends with this
 * process, however that ends. Containers are machines of their own. Where such sockets do not exist, every name is free.
 */
export async function claimName(name: ConsumerName): Promise<boolean> {
  if (process.platform !== 'linux') return true
  const server = createServer((socket) => socket.destroy()).unref()
  server.listen({ path: `\0sls-siem-bridge/${digest(name)}` })
  try {
    await once(server, 'listening')
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EADDRINUSE'
  }
}

function digest({ endpoint, project, logstores, consumerGroup, consumer }: ConsumerName): string {
  const parts = [endpoint, project, [...logstores].sort(), consumerGroup, consumer]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
