import type { FileHandle } from 'node:fs/promises'

const BLOCK_BYTES = 64 << 10
/** No event is longer than this, so a longer line is not ours. */
const LONGEST_LINE_BYTES = 64 << 20
/** How each of our lines begins. */
const OURS = Buffer.from('{"time":')
const LINE_END = 0x0a

/** The last line has no end, and was not written by a sink. Nothing may be cut from such a file or added to it. */
export class ForeignLastLine extends Error {}

/**
 * Brings the end of a file to the end of a line. A last line without its end was being written when a process or the machine
 * ended. No event in it was acknowledged, so it will come again, and it is cut off; a whole one gets the line end that is
 * missing. Returns what was done, in words; `undefined` if nothing had to be. Throws ForeignLastLine, and leaves the file as it is.
 */
export async function finishLastLine(file: FileHandle): Promise<string | undefined> {
  const { size } = await file.stat()
  const { start, end } = await lastLine(file, size)
  if (start === size) return undefined
  if (await isTorn(file, start, end, size)) {
    await file.truncate(start)
    await file.datasync()
    return `its last line was cut off (${size - start} bytes), because it is not whole; its event comes again`
  }
  await file.write('\n', size)
  await file.datasync()
  return 'its last line had no line end, and has got one'
}

/**
 * Where the last line begins, and where the zeros behind it do: a file system may have made the file longer before the power
 * failed, and not written what is in it.
 */
async function lastLine(file: FileHandle, size: number): Promise<{ start: number; end: number }> {
  const block = Buffer.alloc(Math.min(BLOCK_BYTES, size))
  let end = 0
  for (let to = size; to > 0; ) {
    const from = Math.max(0, to - block.length)
    const { bytesRead } = await file.read(block, 0, to - from, from)
    const bytes = block.subarray(0, bytesRead)
    const last = end > 0 ? -1 : bytes.findLastIndex((byte) => byte !== 0)
    if (last >= 0) end = from + last + 1
    const lineEnd = bytes.lastIndexOf(LINE_END)
    if (lineEnd >= 0) return { start: from + lineEnd + 1, end }
    to = from
  }
  return { start: 0, end }
}

/** Throws ForeignLastLine. */
async function isTorn(file: FileHandle, start: number, end: number, size: number): Promise<boolean> {
  if (end === start) return true
  const head = await bytesOf(file, start, Math.min(end - start, OURS.length))
  if (!head.equals(OURS.subarray(0, head.length)))
    throw new ForeignLastLine('its last line has no line end and is not an event')
  if (end - start > LONGEST_LINE_BYTES)
    throw new ForeignLastLine('its last line has no line end and is longer than any event')
  return end < size || !isJson(await bytesOf(file, start, end - start))
}

async function bytesOf(file: FileHandle, from: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await file.read(bytes, 0, length, from)
  return bytes.subarray(0, bytesRead)
}

function isJson(text: Buffer): boolean {
  try {
    JSON.parse(text.toString('utf8'))
    return true
  } catch {
    return false
  }
}
