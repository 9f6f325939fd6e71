// Three replicas of one host under pm2, configured by the .env in the repository's root or by the shell that starts them:
// `pm2 start deploy/pm2/ecosystem.config.cjs`, then `pm2 scale sls-siem-bridge 5` for more. docs/running.md has the rest.
const { hostname } = require('node:os')
const { join } = require('node:path')

const root = join(__dirname, '..', '..')
const graceSeconds = 25

module.exports = {
  apps: [
    {
      name: 'sls-siem-bridge',
      // pm2 numbers its instances; a name made of that number is kept over restarts, so that a replica has its own shards
      // back at once, and not after the group gave up its predecessor. The shell, and then the command, turn into the Node
      // that this repository brings: it is one process, which gets pm2's signals itself.
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
        // Dies with pm2's daemon, should that be killed: the next one would start others under the same names.
        SLS_SIEM_BRIDGE_LAUNCHED: '1',
      },
      // Left alone, pm2 kills 1.6 s after its SIGINT, in the middle of the draining.
      kill_timeout: (graceSeconds + 5) * 1000,
      // A replica that crashes is started again for ever; with more than 0, pm2 gives up after 16 quick ends.
      min_uptime: 0,
      // Wrong configuration: a restart does not mend it. pm2 then shows the replica as stopped (with a restart delay it would
      // say that it waits for a restart) and has lost its last words: `npx sls-siem-bridge check` says what is wrong.
      stop_exit_codes: [2],
    },
  ],
}
