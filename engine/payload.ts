// Where payloads are laid out that are not the event's JSON itself.

const BYTES: usize = 144 * 1024
export const PAYLOAD: usize = memory.data(144 * 1024 + 64, 16)
export let payloadEnd: usize = 0

export function endPayload(at: usize): void {
  payloadEnd = at
}

/** Whether a text of this length, each byte escaped, and a key have room. */
export function hasRoom(out: usize, length: usize): bool {
  return length * 2 + <usize>1_024 <= PAYLOAD + BYTES - out
}
