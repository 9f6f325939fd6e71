import { randomUUID } from 'node:crypto'

/** A token as an administrator would define it. */
export interface HecToken {
  /** The secret itself. Default: a fresh GUID. */
  token?: string
  /** Default `sls`; also makes the default source `http:<name>`. */
  name?: string
  /** Indexer acknowledgement (`useACK`). Default false. */
  ack?: boolean
  disabled?: boolean
  /** Indexes the token may write to. Default: any. */
  indexes?: readonly string[]
  /** Where events without an index go. Default: the first allowed one, else `main`. */
  index?: string
  host?: string
  source?: string
  sourcetype?: string
  /** Accept `?token=`. Default false, as in Splunk. */
  allowQueryStringAuth?: boolean
}

export interface TokenState {
  readonly token: string
  readonly name: string
  ack: boolean
  disabled: boolean
  readonly indexes: ReadonlySet<string> | undefined
  readonly index: string
  readonly host: string | undefined
  readonly source: string
  readonly sourcetype: string
  readonly allowQueryStringAuth: boolean
}

export interface TokenChange {
  /** Value of the token. Default: the first one's. */
  token?: string
  disabled?: boolean
  ack?: boolean
}

/** The token of an authorized request, or the HEC code of its refusal. */
export type Authorization = TokenState | 1 | 2 | 3 | 4 | 16

export class HecTokens {
  readonly #tokens = new Map<string, TokenState>()

  constructor(tokens: readonly HecToken[]) {
    for (const given of tokens) {
      const name = given.name ?? 'sls'
      const indexes = given.indexes?.length ? new Set(given.indexes) : undefined
      const state: TokenState = {
        token: given.token ?? randomUUID(),
        name,
        ack: given.ack ?? false,
        disabled: given.disabled ?? false,
        indexes,
        index: given.index ?? given.indexes?.[0] ?? 'main',
        host: given.host,
        source: given.source ?? `http:${name}`,
        sourcetype: given.sourcetype ?? 'httpevent',
        allowQueryStringAuth: given.allowQueryStringAuth ?? false,
      }
      this.#tokens.set(state.token, state)
    }
  }

  /** Values of the tokens, in the order given. */
  values(): string[] {
    return [...this.#tokens.keys()]
  }

  /** The first token, unless one is named by its value. */
  find(token?: string): TokenState | undefined {
    return token === undefined ? this.#tokens.values().next().value : this.#tokens.get(token)
  }

  /** Returns the token as it is now. Throws when there is none of that value. */
  change({ token, disabled, ack }: TokenChange): TokenState {
    const state = this.find(token)
    if (!state) throw new TypeError('no such token')
    state.disabled = disabled ?? state.disabled
    state.ack = ack ?? state.ack
    return state
  }

  /**
   * Judges header and `?token=`. A query token is refused with code 16 even beside a good header. Without a good header
   * an unknown query token is code 4.
   */
  authorize(header: string | undefined, queryToken: string | null): Authorization {
    const fromHeader = this.#fromHeader(header)
    if (queryToken === null) return fromHeader
    const inHeader = typeof fromHeader === 'object' ? fromHeader : undefined
    const state = inHeader ?? this.#tokens.get(queryToken)
    if (!state) return 4
    if (state.disabled) return 1
    return state.allowQueryStringAuth ? state : 16
  }

  #fromHeader(header: string | undefined): Authorization {
    if (header === undefined || header === '') return 2
    const [, scheme = '', credential = ''] = /^(\S+)\s*(.*)$/.exec(header) ?? []
    const token = scheme.toLowerCase() === 'splunk' ? credential : passwordOf(scheme, credential)
    if (!token) return 3
    const state = this.#tokens.get(token)
    if (!state) return 4
    return state.disabled ? 1 : state
  }
}

/** HTTP Basic carries the token as the password; the user may be anything. */
function passwordOf(scheme: string, credential: string): string | undefined {
  if (scheme.toLowerCase() !== 'basic') return undefined
  const pair = Buffer.from(credential, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  return colon === -1 ? undefined : pair.slice(colon + 1)
}
