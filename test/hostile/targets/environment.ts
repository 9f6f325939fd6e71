import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { onTestFinished } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { formatProblems } from '../../../src/config/problems.ts'
import { unknownVariables } from '../../../src/config/unknown.ts'
import type { Target } from '../fuzz.ts'
import { must } from '../fuzz.ts'

/** Part of every secret in an environment of this target. */
export const SECRET = 'hush-hush'
/** Stands for the folder in which the files of an environment are. */
export const FOLDER = '<folder>'

/** Input: JSON of `{"env": {name: value}, "files": {name: content}}`. */
export const environment: Target = {
  name: 'environment',
  open() {
    const folder = mkdtempSync(join(tmpdir(), 'environment-fuzz-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    return (input) => {
      const given = parsed(input)
      if (!given) return 'no environment'
      for (const [name, content] of Object.entries(given.files)) {
        if (/^\w+$/.test(name)) writeFileSync(join(folder, name), content)
      }
      const env = Object.fromEntries(
        Object.entries(given.env).map(([name, value]) => [name, value.replaceAll(FOLDER, folder)]),
      )
      const loaded = loadConfig(env, { hostname: 'host', pid: 1, nowSeconds: 1_780_000_000 })
      const printed =
        'problems' in loaded
          ? `${formatProblems(loaded.problems)}\n${unknownVariables(env).join('\n')}`
          : `${inspect(loaded.config, { depth: null })}${JSON.stringify(loaded.config)}${loaded.warnings.join('\n')}`
      must(!printed.includes(SECRET), `no secret shows: ${printed.slice(Math.max(0, printed.indexOf(SECRET) - 200))}`)
      if (!('problems' in loaded)) return 'accepted'
      must(loaded.problems.length > 0, 'a refusal has a reason')
      for (const { variable, value = '', problem } of loaded.problems) {
        must(/^[A-Z_]+$/.test(variable), 'a problem names its variable')
        must(value.length < 200 && problem.length < 500, 'a problem is told in short')
        must(!/\p{Cc}/u.test(value + problem), `a problem is told on one line: ${JSON.stringify(value + problem)}`)
      }
      return loaded.problems.map(({ variable, problem }) => `${variable} ${problem.slice(0, 12)}`).join()
    }
  },
}

function parsed(input: Buffer): { env: Record<string, string>; files: Record<string, string> } | undefined {
  try {
    const { env, files } = JSON.parse(input.toString())
    const texts = [...Object.values(env), ...Object.values(files)]
    return texts.every((text) => typeof text === 'string') ? { env, files } : undefined
  } catch {
    return undefined
  }
}
