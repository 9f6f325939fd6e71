import { fileURLToPath } from 'node:url'

/** Debian's packages as `install.sh` unpacked them. */
export const UNPACKED = fileURLToPath(new URL('.tools/syslog/', import.meta.url))

const MACHINE = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'

/** Folders of their shared libraries. */
export const LIBRARIES = [
  `${UNPACKED}usr/lib/${MACHINE}`,
  `${UNPACKED}lib/${MACHINE}`,
  `${UNPACKED}usr/lib/syslog-ng`,
] as const
