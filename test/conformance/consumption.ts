export interface Consumed {
  /** The log's own id. */
  id: string
  consumer: string
  shard: number
}

/** Records which consumer consumed which log of which shard, in order of the reports. */
export class Consumption {
  readonly all: Consumed[] = []
  readonly #byId = new Map<string, Consumed[]>()

  note(consumed: Consumed): void {
    this.all.push(consumed)
    const before = this.#byId.get(consumed.id)
    if (before) before.push(consumed)
    else this.#byId.set(consumed.id, [consumed])
  }

  has(id: string): boolean {
    return this.#byId.has(id)
  }

  /** Logs consumed more than once, each with all its consumers. */
  repeated(): Array<[id: string, by: Consumed[]]> {
    return [...this.#byId].filter(([, by]) => by.length > 1)
  }

  /** Shards that were consumed before their ancestors were complete. */
  aheadOfAncestors(parents: ReadonlyMap<number, readonly number[]>): string[] {
    const began = new Map<number, number>()
    const ended = new Map<number, number>()
    const known = new Set<string>()
    for (const [at, { id, shard }] of this.all.entries()) {
      if (!began.has(shard)) began.set(shard, at)
      if (!known.has(id)) ended.set(shard, at)
      known.add(id)
    }
    const ancestors = (shard: number): number[] =>
      (parents.get(shard) ?? []).flatMap((parent) => [parent, ...ancestors(parent)])
    return [...began].flatMap(([shard, beginning]) =>
      ancestors(shard)
        .filter((ancestor) => (ended.get(ancestor) ?? -1) > beginning)
        .map((ancestor) => `shard ${shard} before the end of ${ancestor}`),
    )
  }
}
