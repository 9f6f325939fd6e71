import { dirname, resolve } from 'node:path'
import { exposureOfFile } from '../../config/exposed-files.ts'
import type { FileConfig } from '../../config/model.ts'
import { systemClock } from '../../core/clock.ts'
import { Fault, messageOf } from '../../core/errors.ts'
import { writerOf } from '../../sinks/file/archive.ts'
import { STANDARD_OUTPUT } from '../../sinks/file/sink.ts'
import type { Check, Finding } from './finding.ts'
import { ok, warn } from './finding.ts'
import { writable } from './host.ts'

export function fileChecks({ name, path }: FileConfig): Check[] {
  if (path === STANDARD_OUTPUT) {
    return [{ about: 'file sink', run: async () => ok('events go to standard output, and the log to standard error') }]
  }
  const advice = `Set path of sinks.${name} to a file in a folder that is there and that this user may write, on a disk with room.`
  return [{ about: 'file sink', run: () => archive(path, advice) }]
}

/** Does not make the folder: a volume that is not mounted must not be hidden by one. */
async function archive(path: string, advice: string): Promise<Finding> {
  const folder = await writable(dirname(resolve(path)), advice, false)
  if (folder.verdict !== 'ok') return folder
  const writer = await writerOf(path, systemClock).catch((error) => {
    throw new Fault('configuration', `${path}: ${messageOf(error)}`, {
      code: 'not_writable',
      advice: 'Give the sink the path of a file, or "-" for standard output.',
    })
  })
  const exposure = exposureOfFile(path)
  if (exposure !== undefined)
    return warn(
      `${path} can be written, but others may change the events in it: ${exposure}`,
      'Give it to the user of the replica, with mode 640.',
    )
  if (writer === undefined) return ok(`${path} can be written; ${folder.found}`)
  return warn(
    `${path} is being written by ${writer}`,
    'This is fine if it is a replica of this configuration. Two replicas need a path each.',
  )
}
