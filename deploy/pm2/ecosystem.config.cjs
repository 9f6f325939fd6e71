// Three replicas on one host under pm2. The .env in the repository's root or the starting shell configures them:
// `pm2 start deploy/pm2/ecosystem.config.cjs`, then `pm2 scale sls-siem-bridge 5` for more. See docs/running.md.
const { hostname } = require('node:os')
const { join } = require('node:path')

const root = join(__dirname, '..', '..')
const graceSeconds = 25

module.exports = {
  apps: [
    {
      name: 'sls-siem-bridge',
      // pm2 numbers its instances. A name with that number survives restarts, so a replica has its shards back at once and
      // does not wait for the group's timeout. The shell and the command replace themselves with the repository's Node: one
      // process remains, and it receives pm2's signals.
      script: '/bin/sh',
      args: [
        '-c',
        `SLS_CONSUMER=${hostname()}-$NODE_APP_INSTANCE exec "$0" run`,
        join(root, 'bin', 'sls-siem-bridge.cjs'),
      ],
      interpreter: 'none',
      cwd: root,
      exec_mode: 'fork',
      instances: 3,
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
