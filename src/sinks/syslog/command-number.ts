/** The largest number of a command of RELP. The next is 1. */
export const LARGEST_NUMBER = 999_999_999

/** The number of the command that is so many behind this one. */
export function numberAfter(number: number, count: number): number {
  return ((number + count - 1) % LARGEST_NUMBER) + 1
}
