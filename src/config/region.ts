const ENDPOINT = /(?:^|\.)([a-z0-9-]+?)(?:-intranet|-internal|-share)?\.(?:log|sls)\.aliyuncs\.com$/

/** The region in an address of Log Service; `undefined` for any other address, and for that of acceleration. */
export function regionOf(endpoint: string): string | undefined {
  return ENDPOINT.exec(new URL(endpoint).hostname)?.[1]
}
