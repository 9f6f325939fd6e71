import { Fault, messageOf } from '../core/errors.ts'
import { onOneLine } from '../core/text.ts'

/** A fault is logged without a stack: the program handles it, so the place in the code says nothing. */
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

/** Any other error is a bug, and is logged with its stack. */
export function errorFields(error: Error): Record<string, unknown> {
  if (error instanceof Fault) return faultFields(error)
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    ...(error.cause !== undefined && { cause: error.cause instanceof Error ? errorFields(error.cause) : error.cause }),
  }
}
