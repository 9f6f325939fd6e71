import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { makeFolder, makeFolderSync, obstacleTo } from '../../../src/core/folder.ts'

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'folder-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

const ways: Array<[string, (path: string) => Promise<void>]> = [
  ['at once', async (path) => makeFolderSync(path)],
  ['while the process works', (path) => makeFolder(path, 0o700, () => {})],
]

describe.each(ways)('a folder that is made %s', (_, make) => {
  test('gets its parents, and may be there already', async () => {
    const path = join(temporary(), 'a/b/c')
    await make(path)
    await make(path)
    expect(statSync(path).isDirectory()).toBe(true)
  })

  test('takes no files of others, whatever the umask is', async () => {
    const before = process.umask(0)
    onTestFinished(() => void process.umask(before))
    const path = join(temporary(), 'a/b')
    await make(path)
    for (const each of [path, join(path, '..')]) expect(statSync(each).mode & 0o022).toBe(0)
  })

  test.each(['/proc/x', '/proc/1/x/y'])(
    'under a file system that takes no folders is an error, not a loop: %s',
    async (path) => {
      await expect(make(path)).rejects.toMatchObject({ code: expect.stringMatching(/^E/), syscall: 'mkdir' })
    },
  )

  test('below a file, or in the place of a link to nowhere, is an error', async () => {
    const folder = temporary()
    writeFileSync(join(folder, 'file'), '')
    symlinkSync('nowhere', join(folder, 'dangling'))
    await expect(make(join(folder, 'file/x'))).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(make(join(folder, 'dangling'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

test('the folders that were made are told from above', async () => {
  const folder = temporary()
  const told: string[] = []
  mkdirSync(join(folder, 'a'))
  await makeFolder(join(folder, 'a/b/c'), 0o700, (made) => told.push(made))
  expect(told).toEqual([join(folder, 'a/b'), join(folder, 'a/b/c')])
})

test('nothing speaks against a folder that is there, or not there yet', () => {
  const folder = temporary()
  for (const path of [folder, join(folder, 'a/b'), '/', 'relative']) expect(obstacleTo(path)).toBeUndefined()
})
