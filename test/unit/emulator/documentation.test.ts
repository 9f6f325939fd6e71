import { readFileSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import * as hec from '../../../src/emulator/hec/server.ts'
import * as sls from '../../../src/emulator/sls/server.ts'
import * as syslog from '../../../src/emulator/syslog/server.ts'

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
const PAGE = read('docs/emulator.md')

/** What the page shows as code. */
const CODE = [...PAGE.replace(/^```.*?^```$/gms, '').matchAll(/`([^`]+)`/g)].map(([, code]) => code).join(' ')

function isNamed(name: string): boolean {
  return new RegExp(`\\b${name}\\b`).test(CODE)
}

/** Names of the fields of an interface in a source file. */
function fieldsOf(path: string, name: string): string[] {
  const [, body = ''] = new RegExp(`^export interface ${name} .*?\\{\\n(.*?)^\\}`, 'ms').exec(read(path)) ?? []
  return [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, field]) => field as string)
}

test.each([
  ['src/emulator/listener.ts', 'ListenOptions'],
  ['src/emulator/sls/server.ts', 'SlsEmulatorOptions'],
  ['src/emulator/sls/logstore.ts', 'LogstoreOptions'],
  ['src/emulator/sls/logstore.ts', 'ExpireOptions'],
  ['src/emulator/sls/logstore.ts', 'LogGroupFields'],
  ['src/emulator/hec/server.ts', 'HecReceiverOptions'],
  ['src/emulator/hec/collector.ts', 'CollectorOptions'],
  ['src/emulator/hec/collector.ts', 'Condition'],
  ['src/emulator/hec/index.ts', 'HecIndexOptions'],
  ['src/emulator/hec/tokens.ts', 'HecToken'],
  ['src/emulator/syslog/server.ts', 'SyslogReceiverOptions'],
  ['src/emulator/syslog/output.ts', 'OutputOptions'],
  ['src/emulator/syslog/faults.ts', 'SyslogFault'],
])('docs/emulator.md names every field of %s, %s', (path, name) => {
  const fields = fieldsOf(path, name).filter((field) => field !== 'index' || name !== 'CollectorOptions')
  expect(fields).not.toEqual([])
  expect(fields.filter((field) => !isNamed(field))).toEqual([])
})

test('docs/emulator.md names everything that the servers, a logstore and a fault script can do', async () => {
  const [service, receiver] = [await sls.startSlsEmulator(), await hec.startHecReceiver()]
  const collector = await syslog.startSyslogReceiver()
  onTestFinished(() => Promise.all([service.close(), receiver.close(), collector.close()]).then(() => {}))
  const objects = [service, receiver, service.logstore(), service.faults, collector]
  const files = 'sls/server hec/server sls/logstore faults syslog/server'
    .split(' ')
    .map((file) => read(`src/emulator/${file}.ts`))
  for (const [index, object] of objects.entries()) {
    const prototype = index === 3 ? Object.getPrototypeOf(Object.getPrototypeOf(object)) : Object.getPrototypeOf(object)
    // The published types leave these out.
    const internal = [
      ...(files[index] ?? '').matchAll(/@internal(?: \*\/|\n\s+\*\/)\n\s+(?:get |readonly |async )?(\w+)/g),
    ]
    const hidden = new Set(['constructor', ...internal.map(([, name]) => name)])
    const names = [...Object.getOwnPropertyNames(prototype), ...Object.getOwnPropertyNames(object)]
    expect(names.filter((name) => !hidden.has(name) && !isNamed(name))).toEqual([])
  }
})

test.each([
  ['emulator', sls.NOT_IMPLEMENTED],
  ['HEC receiver', hec.NOT_IMPLEMENTED],
  ['syslog receiver', syslog.NOT_IMPLEMENTED],
])('docs/emulator.md says all that the %s does not implement', (_, lines) => {
  for (const line of lines) expect(PAGE).toContain(`- ${line}\n`)
})
