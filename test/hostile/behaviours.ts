import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Behaviour, Met, TrueAnswer } from './front.ts'
import { answerOf } from './front.ts'

/** Hostile behaviour on raw sockets. Each takes the place of an answer. */

export const JSON_TYPE = [['Content-Type', 'application/json']] as const

export const answers = (status: number, body: Buffer | string, headers: TrueAnswer['headers'] = JSON_TYPE): Behaviour =>
  sends(answerOf(status, headers, body).bytes)

export function sends(bytes: Buffer | string): Behaviour {
  return ({ socket }) => void socket.write(bytes)
}

/** The true answer, changed on its way. */
export function spoilt(change: (answer: TrueAnswer, met: Met) => Buffer | string): Behaviour {
  return async (met) => void met.socket.write(change(await met.trueAnswer(), met))
}

/** The true answer with other lines in its head instead of the length. */
export function withHead(...lines: string[]): Behaviour {
  return spoilt(({ bytes }) => replacedLength(bytes, lines))
}

function replacedLength(bytes: Buffer, lines: readonly string[]): Buffer {
  const end = bytes.indexOf('\r\n\r\n')
  const head = bytes.subarray(0, end).toString('latin1').split('\r\n').slice(0, -1)
  return Buffer.concat([Buffer.from(`${[...head, ...lines].join('\r\n')}\r\n\r\n`, 'latin1'), bytes.subarray(end + 4)])
}

/** The true answer, a byte at a time. */
export function dripped(everyMs: number): Behaviour {
  return async ({ socket, trueAnswer }) => {
    const { bytes } = await trueAnswer()
    for (let at = 0; at < bytes.length && !socket.destroyed; at++) {
      socket.write(bytes.subarray(at, at + 1))
      await sleep(everyMs)
    }
  }
}

/** `head`, and then `piece` until the client has had enough. */
export function endless(head: string, piece: Buffer | string, everyMs = 0): Behaviour {
  return async ({ socket }) => {
    socket.write(head)
    while (!socket.destroyed) {
      if (!socket.write(piece)) await settled(socket)
      await sleep(everyMs)
    }
  }
}

/** Resolves when the written bytes have left, or the socket is closed. */
async function settled(socket: Socket): Promise<void> {
  const ended = new AbortController()
  const { signal } = ended
  await Promise.race(['drain', 'close'].map((event) => once(socket, event, { signal }).catch(() => {})))
  ended.abort()
}

export const endlessChunks = (piece: Buffer): Behaviour => {
  const chunk = Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
  return endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', chunk)
}

export const silence: Behaviour = ({ socket }) => once(socket, 'close')

export const redirects = (status: number, location: string): Behaviour => answers(status, '', [['Location', location]])

/** Closes its side without an answer, and goes on taking whatever comes. */
export const halfCloses: Behaviour = ({ socket }) => void socket.end()

export const hangsUp: Behaviour = ({ socket }) => void socket.resetAndDestroy()

/** The answer of a TLS server to plain HTTP: a fatal alert, unexpected_message. */
export const speaksTls: Behaviour = ({ socket }) => void socket.end(Buffer.from('15030100020250', 'hex'))

/** A decompression bomb behind an unrequested `Content-Encoding`. */
export function bomb(coding: string, head = ''): Behaviour {
  const zeros = Buffer.alloc(64 << 20)
  const body = gzipSync(Buffer.concat([Buffer.from(head), zeros]), { level: 9 })
  return answers(200, body, [...JSON_TYPE, ['Content-Encoding', coding]])
}

/** Shows the request, secrets first, as some proxies do. */
export function echoes(status: number, body: (text: string) => string): Behaviour {
  return ({ socket, request }) => {
    const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`)
    const secretsFirst = lines.toSorted((one, other) => rank(one) - rank(other))
    const text = `${secretsFirst.join('\n')}\n${request.method} ${request.target}`
    socket.write(answerOf(status, JSON_TYPE, body(text)).bytes)
  }
}

const rank = (header: string): number => (/^(authorization|x-acs-security-token):/.test(header) ? 0 : 1)
