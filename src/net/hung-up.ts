/** The server closed a connection on which nothing was asked yet, and gave no reason. */
export class HungUp extends Error {
  override readonly name = 'HungUp'
  readonly code = 'hung_up'
}
