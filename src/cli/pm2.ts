/** Milliseconds between pm2's SIGINT and its SIGKILL where nothing else is set. */
const KILL_TIMEOUT_MS = 1_600

const ECOSYSTEM = 'deploy/pm2/ecosystem.config.cjs'

export const CLUSTER_REFUSED = `sls-siem-bridge does not run in cluster mode, where all replicas would share one admin port.
  → run: pm2 start ${ECOSYSTEM}. In a file of your own, set exec_mode: 'fork'; without a file, leave out -i`

/** A warning where pm2, which puts its settings into `env`, kills a replica before it has drained. */
export function killedEarly(env: NodeJS.ProcessEnv, graceMs: number): string[] {
  if (env['pm_id'] === undefined) return []
  const timeoutMs = Number(env['kill_timeout'] ?? KILL_TIMEOUT_MS)
  if (timeoutMs > graceMs) return []
  const [killed, grace] = [timeoutMs / 1000, graceMs / 1000]
  return [
    `pm2 kills this replica ${killed} s after it asks it to stop, and SHUTDOWN_GRACE_SECONDS is ${grace}: a kill repeats events. Set kill_timeout: ${graceMs + 5_000}, or start ${ECOSYSTEM}`,
  ]
}
