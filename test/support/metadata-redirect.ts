import { Socket } from 'node:net'

/**
 * The metadata server has one address, which the vendor's library does not let anybody change: here it leads to a port of
 * this machine. Imported before everything else (`node --import`) it takes the port from the environment.
 */
export function redirectMetadata(port: number): () => void {
  const { connect } = Socket.prototype
  Socket.prototype.connect = function (this: Socket, ...given: unknown[]) {
    const [first] = given.flat(1) as [{ host?: string; port?: number }]
    if (first.host === '100.100.100.200') Object.assign(first, { host: '127.0.0.1', port })
    return Reflect.apply(connect, this, given)
  } as Socket['connect']
  return () => {
    Socket.prototype.connect = connect
  }
}

const port = Number(process.env['TEST_METADATA_PORT'])
if (port > 0) redirectMetadata(port)
