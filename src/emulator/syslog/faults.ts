/** A scripted fault of one connection. It happens after a number of messages, or at a certain message. */
export interface SyslogFault {
  /**
   * - `fin`: closes as a collector does that refuses a frame. What follows is read and thrown away, so that no reset tells of it.
   * - `reset`: resets the connection.
   * - `stop`: reads no more, and does not close.
   * - `late`: answers our FIN `delayMs` later.
   * - `deaf`: reads on, and never answers our FIN, nor a message of RELP.
   * - `refuse`: answers messages with `500` (RELP).
   * - `serverclose`: says that it closes, and closes (RELP).
   */
  does: 'fin' | 'reset' | 'stop' | 'late' | 'deaf' | 'refuse' | 'serverclose'
  /** Default 0: at once. */
  afterMessages?: number
  /** Instead of a count: at each message that matches. It is not kept. */
  at?: RegExp
  /** `fin`, `reset`, `late` and `serverclose` come so much later, as from a collector that takes its time. Default 0. */
  delayMs?: number
  /** Connections that do it. Default 1; 0 is all. */
  times?: number
}

const DOES: readonly string[] = ['fin', 'reset', 'stop', 'late', 'deaf', 'refuse', 'serverclose']
const OF_RELP: readonly string[] = ['refuse', 'serverclose']
const COUNTS = ['afterMessages', 'delayMs', 'times'] as const
const KEYS: readonly string[] = ['does', 'at', ...COUNTS]

/** The problem with a fault that a receiver of this kind could never do. */
export function problemOf(fault: SyslogFault, transport: 'tcp' | 'udp' | 'relp'): string | undefined {
  if (typeof fault !== 'object' || fault === null) return 'must be an object'
  const unknown = Object.keys(fault).find((key) => !KEYS.includes(key))
  if (unknown !== undefined) return `unknown key ${unknown}, known are ${KEYS.join(', ')}`
  if (!DOES.includes(fault.does)) return `does must be one of ${DOES.join(', ')}`
  const wrong = COUNTS.find((key) => fault[key] !== undefined && !(Number.isInteger(fault[key]) && fault[key] >= 0))
  if (wrong !== undefined) return `${wrong} must be a whole number, 0 or more`
  if (fault.at !== undefined && !(fault.at instanceof RegExp)) return 'at must be a regular expression'
  if (transport === 'udp') return 'UDP has no connections'
  if (transport === 'tcp' && OF_RELP.includes(fault.does)) return `${fault.does} needs RELP`
  return undefined
}
