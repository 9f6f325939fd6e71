import { isUtf8 } from 'node:buffer'
import { mayComeLater } from '../../core/errors.ts'
import { readPlainBytes } from '../../core/plain-file.ts'
import type { Problem } from '../problems.ts'
import { shown, withoutPath } from '../problems.ts'

/** The text of a configuration file, without a byte order mark, or why it cannot be used. */
export function readConfigFile(path: string): { text: string } | { problem: Problem } {
  const refused = (problem: string, passing = false) => ({
    problem: { variable: '', place: shown(path), problem, allowed: 'a YAML file of at most 1 MiB, in UTF-8', passing },
  })
  let bytes: Buffer
  try {
    bytes = readPlainBytes(path)
  } catch (error) {
    return refused(`cannot be read: ${withoutPath(error)}`, mayComeLater(error))
  }
  if (!isUtf8(bytes)) return refused(`is not UTF-8 (byte ${firstWrongByte(bytes)})`)
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '')
  return text.trim() === '' ? refused('is empty', true) : { text }
}

/** Counted from 1. */
function firstWrongByte(bytes: Buffer): number {
  const whole = bytes.toString('utf8')
  // A replacement character may also stand in the file itself.
  for (let at = whole.indexOf('\uFFFD'); at !== -1; at = whole.indexOf('\uFFFD', at + 1)) {
    const before = Buffer.byteLength(whole.slice(0, at))
    if (bytes.toString('latin1', before, before + 3) !== '\xEF\xBF\xBD') return before + 1
  }
  return bytes.length
}
