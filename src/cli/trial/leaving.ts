import type { Config, SyslogConfig } from '../../config/model.ts'
import type { Batch, BatchOrigin } from '../../core/batch.ts'
import type { Trial } from '../../pipeline/reference/trial.ts'
import type { Oversized } from '../../sinks/syslog/frames.ts'
import { Framer, messagesOf } from '../../sinks/syslog/frames.ts'

export interface Leaving {
  /** On a line. */
  readonly bytes: Buffer
  readonly isJson: boolean
}

/** The bytes of a copy as its sink sends them, or a text that says why they do not leave. */
export function leavingBytes(
  { event, sink: name, route, refused }: Trial['copies'][number],
  { sinks }: Pick<Config, 'sinks'>,
  origin: BatchOrigin,
): Leaving {
  const sink = sinks.find((each) => each.name === name)
  if (sink?.type !== 'syslog' || refused !== undefined) return { bytes: event, isJson: true }
  const ends = Uint32Array.of(event.length)
  const batch: Batch = { origin, sink: name, routes: [route], bytes: event, ends, count: 1 }
  return { bytes: messageLine(sink, batch), isJson: false }
}

/** Over TCP and TLS with its frame; RELP numbers its frames by session, and UDP has none. */
function messageLine(sink: SyslogConfig, batch: Batch): Buffer {
  const isFramed = /^(tcp|tls):/.test(sink.urls[0] ?? '')
  let tooLong: Oversized | undefined
  const note = (oversized: Oversized): void => {
    tooLong = oversized
  }
  const [piece] = new Framer({ ...sink, framing: isFramed ? sink.framing : 'octet' }).pieces(
    batch,
    { from: 0, to: 1 },
    note,
  )
  if (tooLong) {
    return Buffer.from(`nothing: the message would have ${tooLong.length} bytes, and max_bytes is ${sink.maxBytes}\n`)
  }
  const bytes = piece?.bytes ?? Buffer.alloc(0)
  const shown = isFramed ? bytes : (messagesOf(bytes)[0] as Buffer)
  return shown.at(-1) === LF ? shown : Buffer.concat([shown, Buffer.of(LF)])
}

const LF = 0x0a
