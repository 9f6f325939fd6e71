#!/bin/sh
':' //; trap 'exit 0' TERM INT; trap '' USR1; d=$(dirname "$(readlink -f "$0")")/..; n="$d/node_modules/.bin/node"; f=--disable-sigusr1; [ -x "$n" ] || { n=node; f=; }; export MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_-131072}"; exec "$n" $f "$d/dist/main.js" "$@"
// This file is a shell script and a JavaScript program. As a command, the shell runs the line above and becomes the Node that
// this repository brings (exec: same process, so signals and kill -9 reach the bridge). A signal before that ends it with 0.
// That Node is told to open no debugger on SIGUSR1; another may not know the flag, and there main.js sees to it.
// `node bin/sls-siem-bridge.cjs` runs the code below. glibc's malloc reads the variable once at the start: DESIGN.md,
// "Non-obvious".
const { existsSync, realpathSync } = require('node:fs')
const { join } = require('node:path')
const { spawn } = require('node:child_process')

const root = join(realpathSync(__dirname), '..')
const main = join(root, 'dist', 'main.js')
const ownNode = join(root, 'node_modules', '.bin', 'node')
const [major, minor] = process.versions.node.split('.').map(Number)

if (!existsSync(main)) {
  console.error('sls-siem-bridge is not built yet: run "npm ci" (or "npm run build") in the repository first')
  process.exit(1)
}
if (major > 24 || (major === 24 && minor >= 12)) {
  process.argv[1] = main
  void import(require('node:url').pathToFileURL(main).href)
} else if (existsSync(ownNode)) {
  // Otherwise Node would open its debugger here, where the keys are in the environment.
  process.on('SIGUSR1', () => {})
  // An older Node cannot exec, so the bridge runs as a child that follows the signals, the exit and the sudden death of this
  // process: our death closes the IPC channel, and then the child kills itself.
  const child = spawn(ownNode, ['--disable-sigusr1', main, ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { MALLOC_MMAP_THRESHOLD_: '131072', ...process.env, SLS_SIEM_BRIDGE_LAUNCHED: '1' },
  })
  let sent
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    process.on(signal, () => {
      sent = signal
      child.kill(signal)
    })
  }
  // A child that dies of the signal which we passed on had no handler yet, because it was still starting.
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGKILL' ? 137 : signal === sent ? 0 : 1)))
} else {
  console.error(
    `sls-siem-bridge needs Node 24.12 or newer; this is ${process.version}. "npm ci" brings one along on Linux.`,
  )
  process.exit(1)
}
