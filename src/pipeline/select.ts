/** Chooses log groups by the exact bytes of their topic. */
export class TopicSelection {
  /** None means all. */
  readonly topics: readonly Buffer[]

  constructor(topics: readonly string[]) {
    this.topics = topics.map((topic) => Buffer.from(topic))
  }

  wants(topic: Buffer): boolean {
    return this.topics.length === 0 || this.topics.some((wanted) => wanted.equals(topic))
  }
}
