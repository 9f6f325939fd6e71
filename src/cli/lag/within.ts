import { Fault } from '../../core/errors.ts'

/** Asks with a signal that is aborted after `ms`: one silent shard or logstore must not keep the others from being shown. */
export async function within<T>(ms: number, signal: AbortSignal, ask: (until: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController()
  const timer = setTimeout(() => {
    late.abort(new Fault('transient', `Log Service did not answer within ${ms / 1000} s`, { code: 'timeout' }))
  }, ms)
  try {
    return await ask(AbortSignal.any([signal, late.signal]))
  } finally {
    clearTimeout(timer)
  }
}
