import { readFileSync } from 'node:fs'

/** From package.json, two folders up from here both in src/ and in dist/. */
export const VERSION: string = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version

export const USER_AGENT = `sls-siem-bridge/${VERSION}`
