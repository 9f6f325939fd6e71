import { createRequire } from 'node:module'
import { join } from 'node:path'
import { REPOSITORY } from './installation.ts'

const tools = createRequire(join(REPOSITORY, 'test/operate/.tools/kubernetes/package.json'))

/** Every document of a file. `<<` merges, as in Compose. */
export function parseYaml<T>(text: string): T[] {
  const documents: Array<{ errors: Error[]; toJS(): T }> = tools('yaml').parseAllDocuments(text, { merge: true })
  return documents.map((document) => {
    if (document.errors[0]) throw document.errors[0]
    return document.toJS()
  })
}
