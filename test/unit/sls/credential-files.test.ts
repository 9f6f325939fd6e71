import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import { readCredentialFiles } from '../../../src/sls/credential-files.ts'

const GIVEN = {
  accessKeyId: 'given',
  accessKeySecret: new Secret('given-secret'),
  securityToken: new Secret('given-token'),
}

function temporary() {
  const directory = mkdtempSync(join(tmpdir(), 'credential-files-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return (name: string, content: string): string => {
    const path = join(directory, name)
    writeFileSync(path, content)
    return path
  }
}

test('files are read each time, and what has none stays as it was given', async () => {
  const write = temporary()
  const files = { accessKeyId: write('id', 'one\n'), accessKeySecret: write('key', ' secret-one \n') }
  const first = (await readCredentialFiles(files, GIVEN)).credentials
  expect([first.accessKeyId, first.accessKeySecret.reveal()]).toEqual(['one', 'secret-one'])
  expect(first.securityToken?.reveal()).toBe('given-token')
  write('id', 'two')
  write('key', 'secret-two')
  const second = (await readCredentialFiles({ ...files, securityToken: write('token', 'token-two') }, GIVEN))
    .credentials
  expect([second.accessKeyId, second.accessKeySecret.reveal()]).toEqual(['two', 'secret-two'])
  expect(second.securityToken?.reveal()).toBe('token-two')
})

test.each([
  ['empty', ''],
  ['with a line break in it', 'hush\nhush'],
])('a file that is %s is a Fault that names its variable and shows nothing of it', async (_, content) => {
  const accessKeySecret = temporary()('key', content)
  const failure = await readCredentialFiles({ accessKeySecret }, GIVEN).catch((error) => error)
  expect(failure).toMatchObject({ kind: 'configuration', code: 'credentials', advice: expect.any(String) })
  expect(failure.message).toContain('SLS_AK_KEY_FILE')
  expect(failure.message).not.toContain('hush')
})

test('nor does a file that is gone show its path: people put the secret itself there', async () => {
  const failure = await readCredentialFiles({ securityToken: 'hush' }, GIVEN).catch((error) => error)
  expect(failure.message).toMatch(/SLS_STS_TOKEN_FILE cannot be read \(ENOENT\)/)
  expect(JSON.stringify([failure.message, failure.advice, failure.cause])).not.toContain('hush')
})
