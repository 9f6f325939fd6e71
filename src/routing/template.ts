/** A text in which `{path}` stands for a value of the log. */
export interface Template {
  /** As it was written. */
  readonly text: string
}
