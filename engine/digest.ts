/** The host's SHA-256: writes the 32 bytes of the hash of `[from, to)` to `out`. */
export declare function digest(from: usize, to: usize, out: usize): void
