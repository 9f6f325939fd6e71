import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The program as an operator has it, in a folder without anybody's `.env` or dead letter. What finds the rest from where it
 * lies itself is copied; the rest is the repository's own. Gone when the test ends.
 */
export function installation(): string {
  const root = mkdtempSync(join(tmpdir(), 'installation-'))
  for (const part of ['bin', 'deploy']) cpSync(join(REPOSITORY, part), join(root, part), { recursive: true })
  for (const part of ['dist', 'node_modules', 'package.json']) symlinkSync(join(REPOSITORY, part), join(root, part))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  return root
}
