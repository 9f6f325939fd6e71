import { messageOf } from '../core/errors.ts'

/** The reason why a server of ours cannot start, and what to do. */
export function listenProblem(error: unknown): string {
  const { code, address, port, path } = error as NodeJS.ErrnoException & { address?: string; port?: number }
  if (code === 'EADDRINUSE') return `port ${port} is taken; choose another with --port (0 takes a free one)`
  if (code === 'EACCES' && port !== undefined) return `port ${port} needs more rights; choose one above 1023`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `this machine has no address ${address ?? '(see --host)'}`
  if (path !== undefined) return `can't write to ${path} (${code})`
  return messageOf(error)
}
