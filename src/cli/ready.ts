import type { CommandIo } from './command.ts'

/** Says that a stand-in is ready: its settings as NAME=value lines, an empty line, and what opens its controls. */
export function tellReady(io: CommandIo, settings: Readonly<Record<string, string>>, controlSecret?: string): void {
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`)
  io.stdout.write(`${lines.join('')}\n${controlSecret === undefined ? '' : `CONTROL_SECRET=${controlSecret}\n`}`)
}
