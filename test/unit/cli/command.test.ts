import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { checkCommand } from '../../../src/cli/check.ts'
import type { Command } from '../../../src/cli/command.ts'
import { command, defaulting, flag, optional, repeatable, required, UsageError } from '../../../src/cli/command.ts'
import { deadLetterCommand } from '../../../src/cli/dead-letter.ts'
import { demoCommand } from '../../../src/cli/demo.ts'
import { emulatorCommand } from '../../../src/cli/emulator.ts'
import { hecReceiverCommand } from '../../../src/cli/hec-receiver.ts'
import { lagCommand } from '../../../src/cli/lag.ts'
import { produceCommand } from '../../../src/cli/produce.ts'
import { reconcileCommand } from '../../../src/cli/reconcile.ts'
import { runCommand } from '../../../src/cli/run.ts'
import { syslogReceiverCommand } from '../../../src/cli/syslog-receiver.ts'
import { secret, text, wholeNumber } from '../../../src/config/parsers.ts'
import { Fault } from '../../../src/core/errors.ts'

async function ran(of: Command, argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const code = await of(argv, { env: {}, stdout, stderr, signal: new AbortController().signal })
  return { code, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') }
}

describe('every command', () => {
  const commands = Object.entries({
    run: runCommand,
    check: checkCommand,
    lag: lagCommand,
    reconcile: reconcileCommand,
    'dead-letter': deadLetterCommand,
    demo: demoCommand,
    produce: produceCommand,
    emulator: emulatorCommand,
    'hec-receiver': hecReceiverCommand,
    'syslog-receiver': syslogReceiverCommand,
  })

  test.each(commands)('%s --help says how it is used, exit code 0', async (name, of) => {
    const { code, out, err } = await ran(of, ['--help'])
    expect([code, err]).toEqual([0, ''])
    expect(out).toContain(`usage: sls-siem-bridge ${name}`)
  })

  test.each(commands)('%s refuses an unknown option in one line, exit code 2', async (name, of) => {
    const { code, out, err } = await ran(of, ['--no-such-option'])
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(/^[^\n]+--no-such-option[^\n]+ \(see --help\)\n$/)
    expect(err.startsWith(`sls-siem-bridge ${name}: `)).toBe(true)
  })

  test.each(commands)('%s refuses a word that it does not know, exit code 2', async (_, of) => {
    const { code, err } = await ran(of, ['stray'])
    expect(code).toBe(2)
    expect(err).toMatch(/^[^\n]+ \(see --help\)\n$/)
  })
})

describe('options', () => {
  const options = {
    json: flag,
    groupSize: defaulting('50', wholeNumber(1, 100)),
    topic: optional(text),
    from: required(text),
    index: repeatable(text),
    token: optional(secret),
  }

  async function values(argv: string[]): Promise<unknown> {
    let seen: unknown
    const run = async (given: unknown) => {
      seen = given
      return 7
    }
    const { code, err } = await ran(command({ name: 'it', help: 'help\n', options, run }), argv)
    return code === 7 ? seen : err
  }

  test('that are not given have their defaults', async () => {
    const absent = { json: false, groupSize: 50, topic: undefined, index: [], token: undefined }
    expect(await values(['--from', 'x'])).toEqual({ ...absent, from: 'x' })
  })

  test('are values, not texts; of two the last counts, unless the option is repeatable', async () => {
    const argv = ['--json', '--group-size', '7', '--group-size=8', '--from=x', '--index', 'a', '--index', 'b']
    expect(await values(argv)).toMatchObject({ json: true, groupSize: 8, index: ['a', 'b'] })
  })

  test('may have values that begin with a dash and a digit', async () => {
    expect(await values(['--from', '-6h', '--topic', 'x'])).toMatchObject({ from: '-6h', topic: 'x' })
    expect(await values(['--from', 'x', '--json', '-6h'])).toMatch(/-6/)
  })

  test.each([
    [[], '--from is missing'],
    [['--from', 'x', '--group-size', '101'], '--group-size is more than 100; allowed: whole number from 1 to 100'],
    [['--from', 'x', '--group-size', '-1'], '--group-size is not a whole number'],
    [['--from', 'x', '--index', ''], '--index '],
    [['--from'], '--from'],
    [['--from', '--json'], '--from'],
  ])('%j is wrong usage', async (argv, problem) => {
    expect(await values(argv)).toMatch(/^sls-siem-bridge it: [^\n]+ \(see --help\)\n$/)
    expect(await values(argv)).toContain(problem)
  })

  test('that are secrets do not show in what is wrong with them', async () => {
    expect(await values(['--from', 'x', '--token', 'hush hush'])).toMatch(/^[^\n]*--token contains spaces[^\n]*\n$/)
    expect(await values(['--from', 'x', '--token', 'hush hush'])).not.toContain('hush')
  })
})

describe('words', () => {
  const of = command({
    name: 'letters',
    help: 'help\n',
    words: ['list', 'replay'],
    options: {},
    run: async (_, __, word) => (word === 'list' ? 0 : 7),
  })

  test('choose what the command does', async () => {
    expect(await ran(of, ['replay'])).toMatchObject({ code: 7 })
  })

  test.each([[[]], [['lists']], [['list', 'replay']]])('%j is wrong usage', async (argv) => {
    const { code, err } = await ran(of, argv)
    expect(code).toBe(2)
    expect(err).toBe('sls-siem-bridge letters: say "list" or "replay" (see --help)\n')
  })
})

describe('what a command throws', () => {
  const throwing = (error: Error) =>
    command({
      name: 'it',
      help: '',
      options: {},
      run: async () => {
        throw error
      },
    })

  test('is told with its advice when it is a fault, exit code 1', async () => {
    const fault = new Fault('configuration', 'refused', { code: 'x', advice: 'Ask again.' })
    expect(await ran(throwing(fault), [])).toEqual({
      code: 1,
      out: '',
      err: 'sls-siem-bridge it: refused\n  → Ask again.\n',
    })
  })

  test('is wrong usage when it says so, exit code 2', async () => {
    expect(await ran(throwing(new UsageError('too much')), [])).toMatchObject({
      code: 2,
      err: 'sls-siem-bridge it: too much (see --help)\n',
    })
  })

  test('is a bug otherwise, and goes on', async () => {
    await expect(ran(throwing(new TypeError('bug')), [])).rejects.toThrow('bug')
  })
})
