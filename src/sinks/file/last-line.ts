import type { FileHandle } from 'node:fs/promises'

const BLOCK_BYTES = 64 << 10
/** A longer line is cut unread: no event is that long. */
const LONGEST_LINE_BYTES = 64 << 20
/** How each of our lines begins. */
const OURS = Buffer.from('{"time":')
const LINE_END = 0x0a

/**
 * Brings the end of a file to the end of a line. A last line without its end was being written when a process or the machine
 * ended. No event in it was acknowledged, so it will come again, and it is cut off. A whole one and a line of somebody else
 * get the line end that is missing. Returns what was done, in words; `undefined` if nothing had to be.
 */
export async function finishLastLine(file: FileHandle): Promise<string | undefined> {
  const { size } = await file.stat()
  const start = await startOfLastLine(file, size)
  if (start === size) return undefined
  if (await isTorn(file, start, size)) {
    await file.truncate(start)
    await file.datasync()
    return `its last line was cut off (${size - start} bytes), because it is not whole; its event comes again`
  }
  await file.write('\n', size)
  await file.datasync()
  return 'its last line had no line end, and has got one'
}

async function startOfLastLine(file: FileHandle, size: number): Promise<number> {
  const block = Buffer.alloc(Math.min(BLOCK_BYTES, size))
  for (let to = size; to > 0; ) {
    const from = Math.max(0, to - block.length)
    const { bytesRead } = await file.read(block, 0, to - from, from)
    const end = block.subarray(0, bytesRead).lastIndexOf(LINE_END)
    if (end >= 0) return from + end + 1
    to = from
  }
  return 0
}

async function isTorn(file: FileHandle, start: number, size: number): Promise<boolean> {
  if (size - start > LONGEST_LINE_BYTES) return true
  const line = Buffer.alloc(size - start)
  const { bytesRead } = await file.read(line, 0, line.length, start)
  const text = line.subarray(0, bytesRead)
  // A file system may have made the file longer before the power failed, and not written what is in it.
  if (text.includes(0)) return true
  const begins = Math.min(text.length, OURS.length)
  return text.compare(OURS, 0, begins, 0, begins) === 0 && !isJson(text)
}

function isJson(text: Buffer): boolean {
  try {
    JSON.parse(text.toString('utf8'))
    return true
  } catch {
    return false
  }
}
