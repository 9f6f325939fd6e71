/** Chooses log groups by the exact bytes of their topic. */
export class TopicSelection {
  readonly #wanted: readonly Buffer[]

  /** No topics means all of them. */
  constructor(topics: readonly string[]) {
    this.#wanted = topics.map((topic) => Buffer.from(topic))
  }

  wants(bytes: Buffer, start: number, end: number): boolean {
    const length = end - start
    return (
      this.#wanted.length === 0 ||
      this.#wanted.some((topic) => topic.length === length && bytes.compare(topic, 0, length, start, end) === 0)
    )
  }
}
