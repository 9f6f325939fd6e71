/** Given by the host: writes the 32 bytes of the SHA-256 of `[from, to)` to `out`. */
export declare function digest(from: usize, to: usize, out: usize): void
