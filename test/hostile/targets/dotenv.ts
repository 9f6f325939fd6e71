import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { readEnvironment } from '../../../src/config/environment.ts'
import { formatProblems } from '../../../src/config/problems.ts'
import type { Target } from '../fuzz.ts'
import { must } from '../fuzz.ts'

/** Part of every value in the seeds. */
const HUSH = 'hush'

/** Input: a `.env` file. */
export const dotenv: Target = {
  name: 'dotenv',
  open() {
    const folder = mkdtempSync(join(tmpdir(), 'dotenv-fuzz-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    return (input) => {
      writeFileSync(join(folder, '.env'), input)
      const { env, problems } = readEnvironment({}, folder)
      must(!formatProblems(problems).includes(HUSH), 'a problem shows nothing of the file')
      if (problems.length > 0) {
        must(Object.keys(env).length === 0, 'of a file with a problem nothing is taken')
        return problems.map(({ problem }) => problem.replace(/\d+/g, 'N')).join()
      }
      for (const [name, value] of plainLines(input)) {
        // No variable to anybody, and changes nothing.
        if (name === '__proto__') continue
        must(env[name] === value, `${name} is ${JSON.stringify(value)}, not ${JSON.stringify(env[name])}`)
      }
      must(
        Object.values(env).every((value) => typeof value === 'string'),
        'values are text',
      )
      return `${Object.keys(env).length} variables`
    }
  },
}

/** The plain meaning of a file without quotes, comments and escapes. For a file with them: nothing. */
function plainLines(input: Buffer): Map<string, string> {
  const text = input.toString().replace(/^\uFEFF/, '')
  if (/["'`#\\$]|export|[^\n\x20-\x7e]/.test(text)) return new Map()
  const pairs = text.split('\n').map((line) => /^ *([A-Za-z_]\w*) *=(.*)$/.exec(line))
  return new Map(pairs.filter((match) => match !== null).map(([, name = '', value = '']) => [name, value.trim()]))
}
