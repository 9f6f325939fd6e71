import { Fault } from '../core/errors.ts'

/** Whether nobody need do anything about it: asked again later, the same question may be answered. */
export function mayPass(error: unknown): error is Fault {
  if (!(error instanceof Fault)) return false
  // A replica without credentials pauses, whatever the reason; a command asks again where the source was only out of reach.
  return error.kind === 'transient' || error.kind === 'ambiguous' || error.code === 'credentials_unreachable'
}
