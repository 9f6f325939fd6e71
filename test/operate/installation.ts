import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

/**
 * An operator's installation, in a folder without an `.env` or dead letter. Files that locate others by their own path are
 * copied; the others are links into the repository. The folder is removed when the test ends.
 */
export function installation(): string {
  const root = mkdtempSync(join(tmpdir(), 'installation-'))
  for (const part of ['bin', 'deploy']) cpSync(join(REPOSITORY, part), join(root, part), { recursive: true })
  for (const part of ['dist', 'node_modules', 'package.json']) symlinkSync(join(REPOSITORY, part), join(root, part))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  return root
}
