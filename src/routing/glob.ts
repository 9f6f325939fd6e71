/**
 * A pattern as of fnmatch(3) without flags: `*` is any run of characters, `/` included; `?` is one; `[a-z]` is one of a set;
 * `\` takes the special meaning from the character behind it. A character outside ASCII is all bytes of its UTF-8.
 */
export interface Glob {
  readonly text: string
  readonly parts: readonly GlobPart[]
}

type GlobPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'run' }
  | { readonly kind: 'one' }
  /** One character that is in the set, or if `negated` one that is not. The set has characters of ASCII only. */
  | { readonly kind: 'set'; readonly set: ReadonlySet<string>; readonly negated: boolean }

const CLASSES: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  cntrl: /\p{Cc}/u,
  digit: /\d/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t-\r]/,
  upper: /[A-Z]/,
  xdigit: /[A-Fa-f0-9]/,
}
const ASCII = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code))

/** `ignoreCase` makes its letters (of ASCII) small, for values in small letters. A string says what is wrong. */
export function parseGlob(text: string, ignoreCase = false): Glob | string {
  const parts: GlobPart[] = []
  let literal = ''
  const close = (): void => {
    if (literal !== '') parts.push({ kind: 'text', text: small(literal, ignoreCase) })
    literal = ''
  }
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string
    const end = char === '[' ? endOfSet(text, at) : -1
    if (char === '*' || char === '?') {
      close()
      if (char === '?') parts.push({ kind: 'one' })
      else if (parts.at(-1)?.kind !== 'run') parts.push({ kind: 'run' })
    } else if (end >= 0) {
      close()
      const set = setOf(text.slice(at + 1, end), ignoreCase)
      if (typeof set === 'string') return set
      parts.push(set)
      at = end
    } else if (char === '\\' && at + 1 < text.length) {
      literal += text[++at]
    } else {
      literal += char
    }
  }
  close()
  return { text, parts }
}

/** Where the `]` is that closes the set which begins at `start`. A `]` in first place is a member. -1: it is not closed. */
function endOfSet(text: string, start: number): number {
  let at = start + 1
  if (text[at] === '!' || text[at] === '^') at++
  for (let first = true; at < text.length; at++, first = false) {
    if (text[at] === ']' && !first) return at
    if (text[at] === '\\') at++
    else if (text.startsWith('[:', at)) at = Math.max(at, text.indexOf(':]', at + 2) + 1)
  }
  return -1
}

function setOf(inner: string, ignoreCase: boolean): GlobPart | string {
  const negated = inner.startsWith('!') || inner.startsWith('^')
  const set = new Set<string>()
  const body = negated ? inner.slice(1) : inner
  for (const [member, name, from, to] of body.matchAll(/\[:(\w*):\]|\\?(.)(?:-\\?([^\]]))?/gsu)) {
    if (name !== undefined) {
      const known = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined
      if (known === undefined) return `unknown class of characters: ${member}`
      for (const char of ASCII) if (known.test(char)) set.add(char)
      continue
    }
    const [low, high] = [from as string, to ?? (from as string)]
    if (low > '\x7f' || high > '\x7f') return `a set of characters holds only ASCII, not ${member}`
    if (low > high) return `a range of characters is the wrong way round: ${member}`
    for (const char of ASCII) if (char >= low && char <= high) set.add(char)
  }
  if (ignoreCase) for (const char of [...set]) set.add(small(char, true))
  return { kind: 'set', set, negated }
}

function small(text: string, ignoreCase: boolean): string {
  return ignoreCase ? text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : text
}
