/** HTTP status and text of every HEC code; also what a scripted `code` answers unless it says otherwise. */
export const HEC_CODES: Readonly<Record<number, readonly [status: number, text: string]>> = {
  0: [200, 'Success'],
  1: [403, 'Token disabled'],
  2: [401, 'Token is required'],
  3: [401, 'Invalid authorization'],
  4: [403, 'Invalid token'],
  5: [400, 'No data'],
  6: [400, 'Invalid data format'],
  7: [400, 'Incorrect index'],
  8: [500, 'Internal server error'],
  9: [503, 'Server is busy'],
  10: [400, 'Data channel is missing'],
  11: [400, 'Invalid data channel'],
  12: [400, 'Event field is required'],
  13: [400, 'Event field cannot be blank'],
  14: [400, 'ACK is disabled'],
  15: [400, 'Error in handling indexed fields'],
  16: [400, 'Query string authorization is not enabled'],
  17: [200, 'HEC is healthy'],
  18: [503, 'HEC is unhealthy, queues are full'],
  19: [503, 'HEC is unhealthy, ack service unavailable'],
  20: [503, 'HEC is unhealthy, queues are full, ack service unavailable'],
  21: [400, 'Invalid token'],
  22: [400, 'Token disabled'],
  23: [503, 'Server is shutting down'],
  24: [200, 'HEC queue is approaching its capacity limit'],
  25: [200, 'HEC ACK is approaching its capacity limit'],
  26: [429, 'HEC queue is at capacity and cannot process any more requests'],
  27: [429, 'HEC ACK channel is at capacity and cannot process any more requests'],
  28: [
    400,
    'Data channel is missing. If you have multiple indexers, sticky session load balancers must be provisioned and client requests must be routed accordingly.',
  ],
}

/** A whole answer, before it is put on the wire (or cut, or lost, by a scripted fault). */
export interface HecReply {
  status: number
  /** HEC code, where the answer is HEC's own. */
  code?: number
  body: string | Buffer
  type: string
  headers?: Record<string, string>
  /** The rest of the request body is not wanted: answer now, then close the connection. */
  close?: boolean
}

export interface ReplyExtras {
  ackId?: number
  /** Anything JSON can carry, so that a fault can lie. */
  invalidEventNumber?: unknown
  text?: string
  status?: number
}

export const JSON_TYPE = 'application/json; charset=UTF-8'

/** HEC's own JSON answer for a code. An unknown code (a scripted one) gets status 400. */
export function hecReply(code: number, extras: ReplyExtras = {}): HecReply {
  const [status, text] = HEC_CODES[code] ?? [400, 'Unknown']
  const body = {
    text: extras.text ?? text,
    code,
    ...(extras.ackId === undefined ? {} : { ackId: extras.ackId }),
    ...(extras.invalidEventNumber === undefined ? {} : { 'invalid-event-number': extras.invalidEventNumber }),
  }
  return { status: extras.status ?? status, code, body: JSON.stringify(body), type: JSON_TYPE }
}

export function jsonReply(status: number, value: unknown): HecReply {
  return { status, body: JSON.stringify(value), type: JSON_TYPE }
}

/** splunkd answers an unknown path and a wrong method with the same body; only the status differs. */
export function notFoundReply(status: 404 | 405): HecReply {
  const body = JSON.stringify({ text: 'The requested URL was not found on this server.', code: 404 })
  return { status, code: 404, body, type: JSON_TYPE }
}

/** 413 and 415 come from splunkd's HTTP layer, which speaks HTML. */
export function htmlReply(status: number, title: string, detail: string): HecReply {
  const body = `<!doctype html><html><head><meta http-equiv="content-type" content="text/html; charset=UTF-8"><title>${status} ${title}</title></head><body><h1>${title}</h1><p>${detail}</p></body></html>\r\n`
  return { status, body, type: 'text/html; charset=UTF-8' }
}
