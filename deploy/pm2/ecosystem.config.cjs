// Three replicas on one host under pm2. The .env in the repository's root or the starting shell configures them:
// `pm2 start deploy/pm2/ecosystem.config.cjs`, then `pm2 scale sls-siem-bridge 5` for more. See docs/running.md.
const { join } = require('node:path')

const graceSeconds = 25

module.exports = {
  apps: [
    {
      name: 'sls-siem-bridge',
      // Gives each instance its name, its port and its log, and becomes the repository's Node.
      script: join(__dirname, 'replica.cjs'),
      interpreter: 'none',
      cwd: join(__dirname, '..', '..'),
      // In cluster mode all instances would share one port, so the bridge refuses it.
      exec_mode: 'fork',
      instances: 3,
      // A replica says that it is ready once it has joined the consumer group. Then pm2 goes on to the next one.
      wait_ready: true,
      listen_timeout: 15_000,
      env: {
        SHUTDOWN_GRACE_SECONDS: graceSeconds,
        // Ends when pm2's daemon is killed. Otherwise the next daemon would start replicas with the same names.
        SLS_SIEM_BRIDGE_LAUNCHED: '1',
      },
      // By default pm2 kills 1.6 s after its SIGINT, while the replica still drains.
      kill_timeout: (graceSeconds + 5) * 1000,
      // Restarts a crashed replica without limit. With more than 0, pm2 gives up after 16 quick crashes.
      min_uptime: 0,
      // Exit code 2 is a wrong configuration; a restart does not help. pm2 then shows the replica as stopped (with a restart
      // delay it would show a pending restart) and loses its last lines. `npx sls-siem-bridge check` says what is wrong.
      stop_exit_codes: [2],
    },
  ],
}
