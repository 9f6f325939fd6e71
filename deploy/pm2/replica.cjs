#!/bin/sh
':' /*
# Instance 0 of pm2 is the replica <host>-0 with port 9464 and the log log/bridge-0.log; instance 1 has port 9465.
# The name survives restarts, so a replica has its shards back at once and does not wait for the group's timeout.
export SLS_CONSUMER="$(uname -n)-$NODE_APP_INSTANCE" LOG_FILE="log/bridge-$NODE_APP_INSTANCE.log"
export ADMIN_PORT=$((${ADMIN_PORT:-9464} + NODE_APP_INSTANCE))
# One process remains, and it receives pm2's signals.
exec "$(dirname "$0")/../../bin/sls-siem-bridge.cjs" run
*/
// In cluster mode pm2 loads this file as JavaScript. The bridge then says what to set instead.
process.argv.push('run')
require('../../bin/sls-siem-bridge.cjs')
