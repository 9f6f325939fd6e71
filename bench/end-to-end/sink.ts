/**
 * A HEC that takes everything and looks at nothing, as a process of its own. GET /count tells what came.
 * Prints SPLUNK_HEC_URL, then an empty line.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const counts = { requests: 0, bytes: 0 }
const SUCCESS = '{"text":"Success","code":0}'
const NO_DATA = '{"text":"No data","code":5}'

const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
  if (request.method === 'GET') {
    response.end(JSON.stringify(request.url === '/count' ? counts : { text: 'HEC is healthy', code: 17 }))
    return
  }
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  request.on('end', () => {
    if (request.url?.endsWith('/ack')) {
      response.writeHead(400).end('{"text":"ACK is disabled","code":14}')
      return
    }
    counts.requests += 1
    counts.bytes += bytes
    response.writeHead(bytes > 0 ? 200 : 400, { 'content-type': 'application/json' })
    response.end(bytes > 0 ? SUCCESS : NO_DATA)
  })
})
server.listen(0, '127.0.0.1', () => {
  console.log(`SPLUNK_HEC_URL=http://127.0.0.1:${(server.address() as AddressInfo).port}\n`)
})
