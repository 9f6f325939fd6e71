/** What becomes of a log when a step of its shape fails. */
export const ON_FAILURE = ['keep', 'drop', 'dead_letter'] as const
export type OnFailure = (typeof ON_FAILURE)[number]

/**
 * A step of a shape: it makes another log of a log. `name` is the step's key in the configuration. A field is the literal key
 * of a member, tags included (`__tag__:K`).
 */
export type Step = JsonStep | RenameStep | RemoveStep | KeepStep | RawStep

export interface JsonStep {
  readonly name: 'json'
  /** `*` is every content. */
  readonly fields: readonly string[] | '*'
  /** `merge` lifts the members of the object into the log. */
  readonly into: 'value' | 'merge'
  /** Whether a value that is no JSON object or array is a failure. */
  readonly required: boolean
  readonly onFailure: OnFailure
}

export interface RenameStep {
  readonly name: 'rename'
  /** New names by old names. */
  readonly names: ReadonlyMap<string, string>
}

interface RemoveStep {
  readonly name: 'remove'
  readonly fields: ReadonlySet<string>
}

/** Topic, source and tags stay, too. */
interface KeepStep {
  readonly name: 'keep'
  readonly fields: ReadonlySet<string>
}

/** The event is the value of this field alone. */
interface RawStep {
  readonly name: 'raw'
  readonly field: string
}
