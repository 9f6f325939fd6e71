/** Printable ASCII without spaces: what identifiers and secrets are made of that travel in HTTP headers. */
export function isPrintable(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text)
}
