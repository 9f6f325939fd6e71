import type { Fact } from './fact.ts'
import { cannot, noClientCan, section } from './fact.ts'
import { BAD } from './hec-envelopes.ts'
import type { HecService } from './hec-service.ts'
import { said } from './hec-service.ts'

const reliedOnBy = [
  'src/emulator/hec/collector.ts',
  'src/sinks/splunk-hec/range-request.ts',
  'src/sinks/splunk-hec/delivery.ts',
]
const encoder = ['src/pipeline/hec-layout.ts', 'src/pipeline/encoder.ts']
const MIB = 1024 * 1024

/** What is indexed afterwards, and size limits. Needs a search, except with our own receiver. */
export function indexedFacts(hec: HecService): Fact[] {
  /** Posts events with a mark and returns the names of those that were indexed. */
  const found = async (make: (mark: string) => ReadonlyArray<object | string>): Promise<string> => {
    hec.needSearch()
    const mark = hec.mark()
    await hec.post(make(mark))
    const events = await hec.indexed(mark)
    const names = events.map(({ raw }) => raw.slice(raw.indexOf(mark) + mark.length + 1).replace(/[^a-z].*$/s, ''))
    return names.sort().join(' ') || 'none'
  }
  const one = async (envelope: (mark: string) => object | string) => {
    hec.needSearch()
    const mark = hec.mark()
    const answer = await hec.post([envelope(mark)])
    if (answer.status !== 200) return cannot(`the event was refused: ${said(answer)}`)
    return (await hec.indexed(mark))[0] ?? cannot('the event was not indexed')
  }
  return [
    ...section('hec-protocol §3.1, §6', reliedOnBy, [
      {
        id: 'hec/prefix-indexed',
        says: 'Of a refused body, only the events before the refused one are indexed',
        mark: 'verified',
        believed: 'first, first, first, first',
        observe: async () => {
          const seen: string[] = []
          for (const bad of BAD) {
            seen.push(await found((mark) => [{ event: `${mark} first` }, bad, { event: `${mark} last` }]))
          }
          return seen.join(', ')
        },
      },
      {
        id: 'hec/wrong-index-indexed',
        says: 'The same holds for a wrong index: the number of code 7 is one too high',
        mark: 'verified',
        believed: 'first',
        observe: async () => {
          const index = 'sls_siem_bridge_no_such_index'
          if ((await hec.post([{ event: `${hec.mark()} probe`, index }])).status === 200) {
            cannot('the token may write to any index: give it a list of indexes')
          }
          const events = (mark: string) => ['first', 'second', 'third'].map((name) => ({ event: `${mark} ${name}` }))
          return found((mark) => events(mark).map((event, at) => (at === 1 ? { ...event, index } : event)))
        },
      },
      {
        id: 'hec/unknown-key-indexed',
        says: 'An unknown key drops its event and all after it, with status 200',
        mark: 'verified',
        believed: 'first',
        reliedOnBy: ['src/emulator/hec/parser.ts', ...encoder],
        observe: () =>
          found((mark) => [
            ...[{ event: `${mark} first` }, { event: `${mark} second`, extra: 1 }],
            { event: `${mark} third` },
          ]),
      },
      {
        id: 'hec/fields-without-event-indexed',
        says: 'An envelope with fields and without event is skipped; those around it are indexed',
        mark: 'verified',
        believed: 'first third',
        observe: () =>
          found((mark) => [
            { event: `${mark} first` },
            { fields: { a: `${mark} second` } },
            { event: `${mark} third` },
          ]),
      },
      {
        id: 'hec/array-body-indexed',
        says: 'Every event of an array is indexed',
        mark: 'unverified',
        believed: 'first second',
        observe: () =>
          found((mark) => [JSON.stringify(['first', 'second'].map((name) => ({ event: `${mark} ${name}` })))]),
      },
    ]),
    ...section('hec-protocol §3.2, §3.3, §4', encoder, [
      {
        id: 'hec/time-digits',
        says: 'All nine digits of a time are kept',
        mark: 'unverified',
        believed: '.123456789',
        observe: async () => {
          const seconds = Math.floor(Date.now() / 1000)
          const { time } = await one((mark) => `{"event":"${mark} timed","time":${seconds}.123456789}`)
          return time.startsWith(`${seconds}.`) ? time.slice(String(seconds).length) : 'another second'
        },
      },
      {
        id: 'hec/time-missing',
        says: 'Without a time, the event gets its arrival time',
        mark: 'verified',
        believed: 'now',
        observe: async () => {
          const { time } = await one((mark) => ({ event: `${mark} untimed` }))
          return Math.abs(Number(time) * 1000 - Date.now()) < 900_000 ? 'now' : time
        },
      },
      {
        id: 'hec/empty-host-indexed',
        says: 'An empty host stays empty',
        mark: 'unverified',
        believed: 'empty',
        observe: async () => (await one((mark) => ({ event: `${mark} nowhere`, host: '' }))).host || 'empty',
      },
      {
        id: 'hec/long-field',
        says: 'An indexed field of 1500 characters is complete; a user saw a limit of 1000',
        mark: 'unverified',
        believed: '1500',
        observe: async () => {
          const fields = { conformance_long: 'x'.repeat(1500) }
          return String((await one((mark) => ({ event: `${mark} long`, fields }))).long.length)
        },
      },
      {
        id: 'hec/truncate',
        says: 'An event is cut at the TRUNCATE of its source type (default 10,000 bytes), also on /event',
        mark: 'unverified',
        believed: '10000 bytes',
        reliedOnBy: ['README.md'],
        notOurs: 'our receiver has no source types',
        observe: async () => {
          if (hec.receiver) cannot('our receiver has no source types')
          return `${(await one((mark) => ({ event: `${mark} ${'x'.repeat(12_000)}` }))).raw.length} bytes`
        },
      },
    ]),
    ...section('hec-protocol §4', reliedOnBy, [
      {
        id: 'hec/body-1-mb',
        says: 'A body of 1,000,000 bytes, the bridge’s default maximum, is accepted',
        mark: 'verified',
        believed: '200 0',
        reliedOnBy: ['src/config/settings.ts'],
        observe: async () => sized(hec, 100, 9_900),
      },
      {
        id: 'hec/body-6-mb',
        says: 'Enterprise accepts a body of 6 MB, Cloud refuses it as event 0; our limit is far below both',
        mark: 'unverified',
        believed: ['200 0', '400 6 #0'],
        reliedOnBy: ['src/emulator/hec/http.ts', 'src/sinks/splunk-hec/delivery.ts'],
        observe: async () => sized(hec, 600, 10_000),
      },
      {
        id: 'hec/event-over-5-mib',
        says: 'An event over 5 MiB is refused with code 6 at its number',
        mark: 'verified',
        believed: '400 6 #1',
        observe: async () => {
          if (!hec.allows('large')) cannot('posts 5 MB: set SERVICE_TEST_LARGE=yes')
          const mark = hec.mark()
          return said(await hec.post([{ event: `${mark} first` }, { event: `${mark} ${'x'.repeat(5 * MIB)}` }]))
        },
      },
      {
        id: 'hec/event-over-5-mib-indexed',
        says: 'The events before one over 5 MiB are indexed; one report has none of them',
        source: 'hec-protocol §6',
        mark: 'unverified',
        believed: 'first',
        observe: async () => {
          if (!hec.allows('large')) cannot('posts 5 MB: set SERVICE_TEST_LARGE=yes')
          return found((mark) => [
            ...[{ event: `${mark} first` }, { event: `${mark} second ${'x'.repeat(5 * MIB)}` }],
            { event: `${mark} third` },
          ])
        },
      },
    ]),
    ...section('hec-protocol §5, §6', reliedOnBy, [
      {
        id: 'hec/busy',
        says: 'A full queue is 503 with code 9 and the number of the first event that was not accepted',
        mark: 'unverified',
        believed: '503 9 #1',
        ...noClientCan('only a load that fills the queue of the indexer can cause it'),
      },
      {
        id: 'hec/capacity-codes',
        says: 'With backpressureState=warn_at_80, capacity is reported as 200 with 24 or 25, and 429 with 26 or 27',
        mark: 'unverified',
        believed: '200 24, 200 25, 429 26, 429 27',
        ...noClientCan('only a load that fills the queue of such an indexer can cause it'),
      },
      {
        id: 'hec/kv-mode',
        says: 'Index-time fields under a source type with KV_MODE=json show twice in a search',
        source: 'hec-protocol §3.3',
        mark: 'unverified',
        believed: 'twice',
        ...noClientCan('it depends on the source types of the user who searches'),
      },
    ]),
  ]
}

async function sized(hec: HecService, events: number, bytes: number): Promise<string> {
  if (!hec.allows('large')) cannot(`posts ${Math.round((events * bytes) / 1e6)} MB: set SERVICE_TEST_LARGE=yes`)
  const text = `${hec.mark()} `.padEnd(bytes, 'x')
  return said(await hec.post(Array.from({ length: events }, () => ({ event: text }))))
}
