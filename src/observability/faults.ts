import { Fault, messageOf } from '../core/errors.ts'

const TEXT_CHARACTERS = 1000

/** Control characters, other line and paragraph ends, and what turns the direction of the text behind it around. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu

/** Text of a server's making, fit for a line of a log: no line breaks or terminal escapes, and of bounded length. */
export function onOneLine(text: string): string {
  const line = text.replace(UNPRINTABLE, ' ')
  return line.length <= TEXT_CHARACTERS ? line : `${line.slice(0, TEXT_CHARACTERS)}…`
}

/** A fault is something the program reasons about, so it is told by its facts; where in the code it arose says nothing. */
export function faultFields(fault: Fault): Record<string, unknown> {
  const { kind, code, status, advice, message, cause } = fault
  return {
    kind,
    code: onOneLine(code),
    ...(status !== undefined && { status }),
    message: onOneLine(message),
    ...(advice !== undefined && { advice: onOneLine(advice) }),
    ...(cause !== undefined && { cause: onOneLine(messageOf(cause)) }),
  }
}

/** Any other error is a bug: told with its stack. */
export function errorFields(error: Error): Record<string, unknown> {
  if (error instanceof Fault) return faultFields(error)
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    ...(error.cause !== undefined && { cause: error.cause instanceof Error ? errorFields(error.cause) : error.cause }),
  }
}
