import type { Fact } from './fact.ts'
import { cannot, section } from './fact.ts'
import type { HecRequest, HecService } from './hec-service.ts'
import { said } from './hec-service.ts'

const reliedOnBy = ['src/emulator/hec/parser.ts', 'src/emulator/hec/collector.ts', 'src/sinks/splunk-hec/response.ts']
const encoder = ['src/emulator/hec/parser.ts', 'src/pipeline/hec-layout.ts']
const NO_DATA = ['400 5', '400 5 #0']

/** HEC's answers to valid and invalid envelopes. `hec-indexed.ts` tests what was indexed. */
export function envelopeFacts(hec: HecService): Fact[] {
  const marked = (what: string) => `${hec.mark()} ${what}`
  const answered = (envelopes: () => ReadonlyArray<object | string>, rest?: HecRequest) => async () =>
    said(await hec.post(envelopes(), rest))
  /** Sends each envelope in its own body. */
  const each = (make: () => ReadonlyArray<object | string>) => async () => {
    const answers: string[] = []
    for (const envelope of make()) answers.push(said(await hec.post([envelope])))
    return answers.join(', ')
  }
  return [
    ...section('hec-protocol §3, §3.1', reliedOnBy, [
      {
        id: 'hec/no-data',
        says: 'An empty body holds no data',
        mark: 'verified',
        believed: '400 5',
        observe: answered(() => []),
      },
      {
        id: 'hec/no-event',
        says: 'An envelope without event and fields, or with a null event, lacks its event',
        mark: 'verified',
        believed: '400 12 #0, 400 12 #0',
        observe: each(() => [{}, { event: null }]),
      },
      {
        id: 'hec/blank-event',
        says: 'An empty text is a blank event',
        mark: 'verified',
        believed: '400 13 #0',
        observe: answered(() => [{ event: '' }]),
      },
      {
        id: 'hec/no-json',
        says: 'A body that is not JSON, or ends too early, is an invalid data format',
        mark: 'verified',
        believed: '400 6 #0, 400 6 #0',
        observe: each(() => ['hello', `{"event":"${marked('cut')}`]),
      },
      {
        id: 'hec/bad-after-good',
        says: 'The number of a refused event counts from 0, for every code that carries one',
        mark: 'verified',
        believed: '400 6 #1, 400 12 #1, 400 13 #1, 400 15 #1',
        observe: async () => {
          const answers: string[] = []
          for (const bad of BAD) answers.push(said(await hec.post([{ event: marked('good') }, bad])))
          return answers.join(', ')
        },
      },
      {
        id: 'hec/wrong-index',
        says: 'A forbidden index is code 7 and names the event after the refused one',
        source: 'hec-protocol §6',
        mark: 'verified',
        believed: '400 7 #2',
        observe: async () => {
          const good = { event: marked('good') }
          const answer = said(await hec.post([good, { ...good, index: 'sls_siem_bridge_no_such_index' }, good]))
          if (answer !== '200 0') return answer
          return cannot('the token may write to any index: give it a list of indexes')
        },
      },
      {
        id: 'hec/unknown-key',
        says: 'An unknown key in the envelope is answered with success (and drops data: see hec/unknown-key-indexed)',
        mark: 'verified',
        believed: '200 0',
        observe: answered(() => [{ event: marked('first') }, { event: marked('second'), extra: 1 }]),
      },
      {
        id: 'hec/unknown-key-alone',
        says: 'An unknown key in the only envelope leaves no data',
        mark: 'verified',
        believed: NO_DATA,
        observe: answered(() => [{ event: marked('only'), extra: 1 }]),
      },
      {
        id: 'hec/fields-without-event',
        says: 'An envelope with fields and without event is answered with success',
        mark: 'verified',
        believed: '200 0',
        observe: answered(() => [{ fields: { conformance: marked('fields') } }]),
      },
      {
        id: 'hec/event-types',
        says: 'An event may be any JSON value except null and the empty text',
        mark: 'verified',
        believed: '200 0',
        observe: answered(() =>
          [marked('text'), 7, true, { text: marked('object') }, [marked('array')]].map((event) => ({ event })),
        ),
      },
      {
        id: 'hec/array-body',
        says: 'An array of envelopes is accepted, contrary to the documentation',
        mark: 'unverified',
        believed: '200 0',
        observe: answered(() => [JSON.stringify([{ event: marked('first') }, { event: marked('second') }])]),
      },
      {
        id: 'hec/metadata-types',
        says: 'host, source, sourcetype and index must be text',
        mark: 'unverified',
        believed: '400 6 #0',
        observe: answered(() => [{ event: marked('numbered host'), host: 5 }]),
      },
      {
        id: 'hec/empty-host',
        says: 'An empty host is accepted: logs without __source__ have one',
        mark: 'unverified',
        believed: '200 0',
        reliedOnBy: encoder,
        observe: answered(() => [{ event: marked('nowhere'), host: '' }]),
      },
      {
        id: 'hec/content-type',
        says: 'The content type is ignored',
        source: 'hec-protocol §2',
        mark: 'verified',
        believed: '200 0',
        observe: answered(() => [{ event: marked('typed') }], { headers: { 'Content-Type': 'text/plain' } }),
      },
      {
        id: 'hec/raw-without-channel',
        says: '/raw needs no channel on a token without acknowledgement, contrary to the documentation',
        source: 'hec-protocol §2',
        mark: 'unverified',
        believed: '200 0',
        reliedOnBy: ['src/emulator/hec/collector.ts'],
        observe: async () => said(await hec.send({ path: '/raw', channel: null, body: marked('raw') })),
      },
    ]),
    ...section('hec-protocol §3.2, §3.3', encoder, [
      {
        id: 'hec/time-forms',
        says: 'A time may be a number or a text, with any number of decimal places',
        mark: 'verified',
        believed: '200 0, 200 0, 200 0, 200 0',
        observe: each(() =>
          ['1', '1.5', '1.123456789', '"1.5"'].map((time) => `{"event":"${marked('timed')}","time":${soon(time)}}`),
        ),
      },
      {
        id: 'hec/time-exponent',
        says: 'A time with an exponent is refused',
        mark: 'verified',
        believed: '400 15 #0',
        observe: answered(() => [`{"event":"${marked('exponent')}","time":1.79E9}`]),
      },
      {
        id: 'hec/time-nonsense',
        says: 'A time that is not a number is refused',
        mark: 'unverified',
        believed: '400 15 #0',
        observe: answered(() => [{ event: marked('yesterday'), time: 'yesterday' }]),
      },
      {
        id: 'hec/fields-texts',
        says: 'Fields may be texts and arrays of texts',
        mark: 'verified',
        believed: '200 0',
        observe: answered(() => [{ event: marked('fields'), fields: { a: 'text', b: ['two', 'texts'] } }]),
      },
      {
        id: 'hec/fields-scalars',
        says: 'Fields may be numbers, booleans and null; the authors of one client report code 15 instead',
        mark: 'unverified',
        believed: '200 0, 200 0, 200 0',
        observe: each(() => [7, true, null].map((a) => ({ event: marked('scalar'), fields: { a } }))),
      },
      {
        id: 'hec/fields-nested',
        says: 'A nested object among the fields is refused with code 15, an array instead of fields with 6',
        mark: 'verified',
        believed: '400 15 #0, 400 6 #0',
        observe: each(() => [{ a: { b: 'c' } }, ['x']].map((fields) => ({ event: marked('nested'), fields }))),
      },
    ]),
  ]
}

/** One envelope per code: 6, 12, 13, 15. */
export const BAD: ReadonlyArray<object | string> = [
  '{"event":',
  {},
  { event: '' },
  { event: 'x', fields: { a: { b: 'c' } } },
]

/** The current second with the fraction of `text`: Splunk may not show events that are years old. */
function soon(text: string): string {
  return text.replace('1', String(Math.floor(Date.now() / 1000)))
}
