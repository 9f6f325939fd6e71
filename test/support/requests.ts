import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** Node's names for the news that a request has reached a server of this process, and that its answer has left. */
export const REQUEST = 'http.server.request.start'
export const ANSWER = 'http.server.response.finish'

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
