import { NotPlainFile, readPlainFileLater } from '../core/plain-file.ts'
import { Secret } from '../core/secret.ts'
import { isPrintable } from '../core/text.ts'
import type { Issued } from './credentials.ts'
import { noCredentials } from './credentials.ts'
import type { Credentials } from './signature.ts'

/** Paths of what may change on disk (a rotated Kubernetes secret, a token that something keeps fresh). */
export interface CredentialFiles {
  accessKeyId?: string
  accessKeySecret?: string
  securityToken?: string
}

export const FILES = 'the files of SLS_AK_ID, SLS_AK_KEY and SLS_STS_TOKEN'

/** What the files hold now, and what was given without one. */
export async function readCredentialFiles(files: CredentialFiles, given: Credentials): Promise<Issued> {
  const read = (path: string | undefined, what: string) => (path === undefined ? undefined : contentOf(path, what))
  const [id, secret, token] = await Promise.all([
    read(files.accessKeyId, 'SLS_AK_ID_FILE'),
    read(files.accessKeySecret, 'SLS_AK_KEY_FILE'),
    read(files.securityToken, 'SLS_STS_TOKEN_FILE'),
  ])
  const securityToken = token === undefined ? given.securityToken : new Secret(token)
  return {
    credentials: {
      accessKeyId: id ?? given.accessKeyId,
      accessKeySecret: secret === undefined ? given.accessKeySecret : new Secret(secret),
      ...(securityToken && { securityToken }),
    },
  }
}

async function contentOf(path: string, variable: string): Promise<string> {
  let text: string
  try {
    text = (await readPlainFileLater(path)).trim()
  } catch (error) {
    const why = error instanceof NotPlainFile ? error.message : (error as NodeJS.ErrnoException).code
    throw unusable(`the file of ${variable} cannot be read (${why})`)
  }
  if (!isPrintable(text)) throw unusable(`the file of ${variable} is empty or holds spaces or other than ASCII`)
  return text
}

function unusable(why: string) {
  return noCredentials(FILES, why, { advice: 'Put the access key pair (and its token) back into the files.' })
}
