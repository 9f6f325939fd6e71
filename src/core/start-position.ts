/** Where a shard without a checkpoint starts. */
export type StartPosition =
  | { readonly kind: 'begin' }
  | { readonly kind: 'end' }
  | { readonly kind: 'time'; readonly unixSeconds: number }
