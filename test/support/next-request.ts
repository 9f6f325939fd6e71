import { subscribe, unsubscribe } from 'node:diagnostics_channel'

const REQUEST = 'http.server.request.start'

/** Resolves when the next request reaches a server of this process, before the server has read its body. */
export function nextRequest(): Promise<void> {
  return new Promise((resolve) => {
    const arrived = (): void => {
      unsubscribe(REQUEST, arrived)
      resolve()
    }
    subscribe(REQUEST, arrived)
  })
}
