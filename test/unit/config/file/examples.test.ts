import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { engineDifferences, runTests } from '../../../../src/cli/trial/tests.ts'
import { accepted } from './given-file.ts'

const ROOT = new URL('../../../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8')
const files = readdirSync(new URL('examples/', ROOT)).filter((name) => name.endsWith('.yaml'))

/** What the files quote. */
const QUOTED = { SPLUNK_TOKEN: 'a-token', LOOK_PROJECT: 'a-project', LOOK_LOGSTORE: 'a-logstore' }

/** A file that another names. */
const BESIDE = { 'kubernetes-audit-policy.yml': read('examples/kubernetes-audit-policy.yml') }

describe('examples', () => {
  test.for(files)('%s is right, and passes its tests', (name) => {
    const text = read(`examples/${name}`)
    const keys = text.includes('credentials:') ? { SLS_AK_ID: '', SLS_AK_KEY: '' } : {}
    const { config, warnings } = accepted(text, { env: { ...QUOTED, ...keys }, files: BESIDE })
    expect(warnings).toEqual([])
    expect(config.tests.length).toBeGreaterThan(0)
    for (const { test: one, differences } of runTests(config))
      expect({ name: one.name, differences }).toEqual({ name: one.name, differences: [] })
  })

  test('would fail if the engines wrote different bytes', () => {
    const event = Buffer.from('{"event":1}\n')
    const copies = ['a', 'b'].map((sink) => ({ route: 'r', sink, event }))
    const same = ['b', 'a'].map((sink) => ({ sink, event: '{"event":1}\n' }))
    expect(engineDifferences({ copies }, same)).toEqual([])
    for (const fast of [[], same.slice(1), [...same, ...same], same.map(({ sink }) => ({ sink, event: '{}\n' }))])
      expect(engineDifferences({ copies }, fast)).toEqual([expect.stringContaining('the fast engine differs')])
  })

  test('are all in the list of their README', () => {
    const listed = [...read('examples/README.md').matchAll(/^\| \[([^\]]+)\]/gm)].map(([, name]) => name)
    expect(listed.sort()).toEqual([...files].sort())
  })

  test.for(['README.md', 'README.zh-CN.md'])('so is the file of five lines in %s', (name) => {
    const [, block = ''] = /```yaml\n(.*?)```/s.exec(read(name)) ?? []
    expect(block.trim().split('\n')).toHaveLength(5)
    expect(accepted(block, { env: QUOTED }).warnings).toEqual([])
  })
})
