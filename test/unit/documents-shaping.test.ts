import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { programOf, referenceEncoder } from '../../src/parts.ts'
import { PRODUCTS } from '../../src/pipeline/products.ts'
import { mmdb } from '../support/mmdb.ts'
import { accepted } from './config/file/given-file.ts'
import { encodeAll, position } from './pipeline/encode-all.ts'
import { content, group, list, log, tag, time } from './pipeline/wire.ts'

const page = readFileSync(new URL('../../docs/shaping.md', import.meta.url), 'utf8')
/** Steps, a log, and what becomes of it. */
const examples = [...page.matchAll(/```yaml\n(- .*?)```\n\n```json\n(.*?)```\n\n```json\n(.*?)```/gs)]

const [, policy = ''] = /```yaml\n(apiVersion: audit.*?)```/s.exec(page) ?? []

const HANGZHOU = {
  continent: { code: 'AS', names: { en: 'Asia', de: 'Asien' } },
  country: { iso_code: 'CN', geoname_id: 1_814_991, names: { en: 'China' } },
  subdivisions: [{ iso_code: 'ZJ', names: { en: 'Zhejiang' } }],
  city: { names: { en: 'Hangzhou' } },
  location: { latitude: 30.2936, longitude: 120.1614, time_zone: 'Asia/Shanghai' },
}
const database = mmdb({ '203.0.113.0/24': HANGZHOU })

const CONFIG = `version: 1
sources: {default: {endpoint: cn-hangzhou.log.aliyuncs.com, project: audit, logstore: audit, group: siem}}
sinks: {splunk: {type: splunk_hec, url: "https://splunk.example.com:8088", token: "\${TOKEN}"}}
routes:
  - name: all
    to: splunk
    shape:
`

function envelopeOf(steps: string, members: Readonly<Record<string, string>>): object {
  const { config } = accepted(CONFIG + steps.replace(/^/gm, '      '), {
    env: { TOKEN: 'x', SLS_AK_ID: 'i', SLS_AK_KEY: 'k' },
    files: { 'audit-policy.yaml': policy, 'city.mmdb': database },
  })
  const [source] = config.sources
  if (source === undefined) throw new Error('no source')
  const { __time__: seconds = '1790000000', ...named } = members
  const isTag = (key: string): boolean => key.startsWith('__tag__:')
  const fields = Object.entries(named).map(([key, value]) =>
    isTag(key) ? tag(key.slice('__tag__:'.length), value) : content(key, value),
  )
  const keys = Object.keys(named)
  const body = list(
    group(
      log(time(Number(seconds)), ...fields.filter((_, index) => !isTag(keys[index] as string))),
      ...fields.filter((_, index) => isTag(keys[index] as string)),
    ),
  )
  const { text } = encodeAll(referenceEncoder(programOf(config, source, 'audit')), body, position)
  // Numbers keep their digits, also the time.
  return exact(text.replace(/"time":([\d.]+)/, '"time":"$1"').replace('"__topic__":"","__source__":"",', ''))
}

/** JSON in which every number is the text that it was written as. */
function exact(json: string): object {
  const numbered = json.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) =>
    token.startsWith('"') ? token : `"#${token}"`,
  )
  return JSON.parse(numbered) as object
}

describe.each(['UTC', 'Asia/Shanghai', 'America/St_Johns'])('docs/shaping.md on a machine in %s', (zone) => {
  const before = process.env['TZ']
  beforeEach(() => {
    process.env['TZ'] = zone
  })
  afterEach(() => {
    if (before === undefined) delete process.env['TZ']
    else process.env['TZ'] = before
  })

  test('has examples', () => expect(examples.length).toBeGreaterThanOrEqual(10))

  test.each(examples.map(([, steps = '', given = '', expected = '']) => ({ steps, given, expected })))(
    '$steps',
    ({ steps, given, expected }) => {
      expect(envelopeOf(steps, JSON.parse(given))).toMatchObject(exact(expected))
      const { event } = exact(expected) as { event: unknown }
      expect((envelopeOf(steps, JSON.parse(given)) as { event: unknown }).event).toEqual(event)
    },
  )

  test('has the table of source types', () => {
    const [, section = ''] = page.split('## Source types')
    const rows = [...section.matchAll(/^\| `(.*?)` \| `(.*?)` \|$/gm)].map(([, topic, sourcetype]) => ({
      topic,
      sourcetype,
    }))
    expect(rows).toEqual(PRODUCTS)
  })
})
