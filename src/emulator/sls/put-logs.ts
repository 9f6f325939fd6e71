/** PutLogs: one LogGroup per request, raw or compressed (lz4, zstd, deflate, gzip), validated and stored as LZ4. */
import { gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import { messageOf } from '../../core/errors.ts'
import { lz4Decompress } from '../../sls/lz4.ts'
import type { SlsCall, SlsReply } from './call.ts'
import { emptyReply, headerOf, parameter } from './call.ts'
import { checkLogGroup } from './log-check.ts'
import type { Logstore } from './logstore.ts'
import { storedBlock } from './lz4-join.ts'
import { SlsRefusal } from './refusal.ts'

/** Raw and compressed. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024

const INFLATE: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  deflate: (body) => inflateSync(body, { maxOutputLength: MAX_BODY_BYTES }),
  gzip: (body) => gunzipSync(body, { maxOutputLength: MAX_BODY_BYTES }),
  zstd: (body) => zstdDecompressSync(body, { maxOutputLength: MAX_BODY_BYTES }),
}

export function putLogs(call: SlsCall, logstore: Logstore, now: number): SlsReply {
  const contentType = headerOf(call, 'content-type')
  if (contentType === '') throw new SlsRefusal('MissingContentType', 'Content-Type does not exist in header')
  if (!contentType.startsWith('application/x-protobuf')) {
    throw new SlsRefusal('InvalidContentType', `Content-Type ${contentType} is not supported`)
  }
  const compressType = headerOf(call, 'x-log-compresstype')
  const raw = inflated(call.body, compressType, rawSizeOf(call))
  const { logs, oldest, newest } = checkLogGroup(raw)
  if (logstore.options.strictLogTimes && logs > 0) assertTimes(oldest, newest, now)
  const key = call.path.endsWith('/shards/route') ? parameter(call, 'key') : undefined
  logstore.append({ ...storedBlock(raw, compressType === 'lz4' ? call.body : undefined), logs, receivedAt: now }, key)
  return emptyReply()
}

function rawSizeOf(call: SlsCall): number | undefined {
  const text = headerOf(call, 'x-log-bodyrawsize')
  if (text === '') return undefined
  if (!/^\d{1,10}$/.test(text)) throw new SlsRefusal('InvalidBodyRawSize', `x-log-bodyrawsize ${text} is no size`)
  const size = Number(text)
  if (size > MAX_BODY_BYTES) {
    throw new SlsRefusal('PostBodyTooLarge', `body size ${size} must be little than ${MAX_BODY_BYTES}`)
  }
  return size
}

function inflated(body: Buffer, compressType: string, rawSize: number | undefined): Buffer {
  const raw = compressType === '' ? body : uncompressed(body, compressType, rawSize)
  if (rawSize !== undefined && rawSize !== raw.length) {
    throw new SlsRefusal('InvalidBodyRawSize', `x-log-bodyrawsize is ${rawSize}, the body has ${raw.length} bytes`)
  }
  return raw
}

function uncompressed(body: Buffer, compressType: string, rawSize: number | undefined): Buffer {
  const inflate = Object.hasOwn(INFLATE, compressType) ? INFLATE[compressType] : undefined
  if (!inflate && compressType !== 'lz4') {
    throw new SlsRefusal('InvalidCompressType', `x-log-compresstype ${compressType} is not supported`)
  }
  if (!inflate && rawSize === undefined) {
    throw new SlsRefusal('MissingBodyRawSize', 'x-log-bodyrawsize does not exist in header')
  }
  try {
    return inflate ? inflate(body) : lz4Decompress(body, rawSize as number)
  } catch (error) {
    throw new SlsRefusal('PostBodyUncompressError', `the body cannot be uncompressed: ${messageOf(error)}`)
  }
}

function assertTimes(oldest: number, newest: number, now: number): void {
  const seconds = now / 1000
  if (oldest < seconds - 7 * 86_400 || newest > seconds + 15 * 60) {
    throw new SlsRefusal(
      'InvalidTimestamp',
      `log times ${oldest} … ${newest} are not within 7 days before and 15 minutes after now`,
    )
  }
}
