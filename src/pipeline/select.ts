/** A topic that is wanted, or what wanted topics begin with. */
interface WantedTopic {
  readonly bytes: Buffer
  readonly isPrefix: boolean
}

/** Chooses log groups by the bytes of their topic. */
export class TopicSelection {
  /** None means all. */
  readonly topics: readonly WantedTopic[]

  /** `a*` is every topic that begins with `a`. */
  constructor(topics: readonly string[]) {
    this.topics = topics.map((topic) => ({
      bytes: Buffer.from(topic.replace(/\*$/, '')),
      isPrefix: topic.endsWith('*'),
    }))
  }

  wants(topic: Buffer): boolean {
    return this.topics.length === 0 || this.topics.some((wanted) => isWanted(topic, wanted))
  }
}

function isWanted(topic: Buffer, { bytes, isPrefix }: WantedTopic): boolean {
  return bytes.equals(isPrefix ? topic.subarray(0, bytes.length) : topic)
}
