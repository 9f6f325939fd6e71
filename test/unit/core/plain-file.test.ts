import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { mayComeLater } from '../../../src/core/errors.ts'
import { NotPlainFile, readPlainFile, readPlainFileLater } from '../../../src/core/plain-file.ts'

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'plain-file-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return directory
}

describe.each<[string, (path: string) => string | Promise<string>]>([
  ['at the start', readPlainFile],
  ['later', readPlainFileLater],
])('a file that the configuration names, read %s', (_, read) => {
  const failure = async (path: string): Promise<Error> => {
    try {
      return new Error(`read: ${await read(path)}`)
    } catch (error) {
      return error as Error
    }
  }

  test('may be a link to a regular file, as in Kubernetes', async () => {
    const directory = temporary()
    writeFileSync(join(directory, 'data'), 'é\n')
    symlinkSync('data', join(directory, 'link'))
    expect(await read(join(directory, 'link'))).toBe('é\n')
  })

  test('has at most 1 MiB', async () => {
    const path = join(temporary(), 'file')
    writeFileSync(path, 'x'.repeat(1 << 20))
    expect(await read(path)).toHaveLength(1 << 20)
    writeFileSync(path, 'x'.repeat((1 << 20) + 1))
    expect(await failure(path)).toMatchObject({ message: expect.stringContaining('1 MiB') })
  })

  test.each(['/dev/zero', '/dev/null', '/dev/tty'])('is not the device %s', async (path) => {
    expect(await failure(path)).toMatchObject({ message: expect.stringContaining('a device') })
  })

  test('is not a FIFO, from which reading would wait', async () => {
    const directory = temporary()
    const path = join(directory, 'fifo')
    execFileSync('mkfifo', [path])
    const silent = await failure(path)
    expect(silent).toBeInstanceOf(NotPlainFile)
    // The message may be about a secret that was given in place of its path.
    expect(silent.message).not.toContain(directory)
    expect(silent.message).toContain('a FIFO')
  })

  test('is not a socket and not a directory', async () => {
    const directory = temporary()
    const server = createServer().listen(join(directory, 'socket'))
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    expect(await failure(join(directory, 'socket'))).toMatchObject({ message: expect.stringContaining('a socket') })
    expect(await failure(directory)).toMatchObject({ message: expect.stringContaining('a directory') })
  })

  test('may come later only where it lies on a path of folders', async () => {
    const directory = temporary()
    writeFileSync(join(directory, 'plain'), '')
    symlinkSync('not-mounted', join(directory, 'volume'))
    expect(mayComeLater(await failure(join(directory, 'none')))).toBe(true)
    expect(mayComeLater(await failure(join(directory, 'volume', 'file')))).toBe(true)
    expect(mayComeLater(await failure(join(directory, 'plain', 'file')))).toBe(false)
    expect(mayComeLater(await failure(directory))).toBe(false)
    expect(mayComeLater(await failure(`${directory}/${'x'.repeat(300)}`))).toBe(false)
  })
})
