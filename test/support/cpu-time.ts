/** Time of the processor, in milliseconds: other programs on the machine do not count. */
export function cpuMillisOf(work: () => void): number {
  const start = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}
