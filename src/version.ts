import { readFileSync } from 'node:fs'

/** Both src/ and dist/ lie directly below package.json. */
export const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version

export const USER_AGENT = `sls-siem-bridge/${VERSION}`
