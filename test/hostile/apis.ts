/** Which call of Log Service a request is, with the shard for those about one: `PullLogs 0`. */
export function slsApi(method: string, { pathname, searchParams }: URL): string {
  const [, , kind, id] = pathname.split('/').slice(1)
  const type = searchParams.get('type')
  if (kind === 'shards') {
    if (id === undefined) return 'ListShards'
    const call = { cursor: 'GetCursor', cursor_time: 'GetCursorTime', log: 'PullLogs' }[type ?? '']
    return `${call ?? type} ${id}`
  }
  if (type === 'heartbeat') return 'ConsumerGroupHeartBeat'
  if (type === 'checkpoint') return 'ConsumerGroupUpdateCheckPoint'
  if (method === 'GET') return id === undefined ? 'ListConsumerGroup' : 'GetCheckPoint'
  return method === 'PUT' ? 'UpdateConsumerGroup' : 'CreateConsumerGroup'
}

/** `event` (with events in it), `probe` (without) or `ack`. */
export function hecApi(_method: string, { pathname }: URL, body: Buffer): string {
  if (pathname.endsWith('/ack')) return 'ack'
  return body.length === 0 ? 'probe' : 'event'
}
