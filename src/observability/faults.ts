import { Fault, messageOf } from '../core/errors.ts'
import { onOneLine } from '../core/text.ts'

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
