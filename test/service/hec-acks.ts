import { randomUUID } from 'node:crypto'
import type { Fact } from './fact.ts'
import { noClientCan, section } from './fact.ts'
import type { HecAnswer, HecRequest, HecService } from './hec-service.ts'
import { said } from './hec-service.ts'

const reliedOnBy = ['src/emulator/hec/acks.ts', 'src/emulator/hec/collector.ts', 'src/sinks/splunk-hec/ack-poller.ts']
const refusals = [
  'src/emulator/hec/collector.ts',
  'src/sinks/splunk-hec/range-request.ts',
  'src/sinks/splunk-hec/response.ts',
]
/** Splunk Cloud uses 28 instead of 10. */
const CHANNEL_MISSING = ['400 10', '400 28']
const ACK_SECONDS = 150

/** Channels and acknowledgements. */
export function ackFacts(hec: HecService): Fact[] {
  const sent = (request: HecRequest) => hec.send({ token: 'ack', ...request })
  const answered = (request: HecRequest) => async () => said(await sent(request))
  const post = (channel: string, ...envelopes: object[]) => {
    const mark = hec.mark()
    return hec.post(envelopes.length > 0 ? envelopes : [{ event: `${mark} acknowledged` }], { token: 'ack', channel })
  }
  const ask = (channel: string, ids: number[], path = '/ack') =>
    sent({ path, channel, body: JSON.stringify({ acks: ids }) })
  /** Polls until the id is true, or until the time is over. */
  const told = async (channel: string, id: number, seconds = ACK_SECONDS): Promise<boolean> => {
    for (let second = 0; second < seconds; second++) {
      if ((await ask(channel, [id])).reply?.acks?.[id] === true) return true
      await hec.pass(1000)
    }
    return false
  }
  return [
    ...section('hec-protocol §2, §5, §9', refusals, [
      {
        id: 'hec/channel-missing',
        says: 'A token with acknowledgement checks the channel before the body: an empty POST identifies such a token',
        mark: 'unverified',
        believed: CHANNEL_MISSING,
        reliedOnBy: [...refusals, 'src/sinks/splunk-hec/probe.ts'],
        observe: answered({ channel: null }),
      },
      {
        id: 'hec/channel-given',
        says: 'With a channel, an empty POST is refused because of its body',
        mark: 'unverified',
        believed: '400 5',
        observe: answered({}),
      },
      {
        id: 'hec/channel-malformed',
        says: 'A channel must be a GUID',
        mark: 'verified',
        believed: '400 11',
        observe: answered({ channel: 'no-guid' }),
      },
      {
        id: 'hec/channel-ignored',
        says: 'A token without acknowledgement ignores the channel, even one that is not a GUID',
        mark: 'verified',
        believed: '400 5',
        observe: async () => said(await hec.send({ channel: 'no-guid' })),
      },
      {
        id: 'hec/channel-in-query',
        says: 'The channel may be in the query',
        mark: 'verified',
        believed: '400 5',
        observe: answered({ channel: null, path: `/event?channel=${randomUUID()}` }),
      },
    ]),
    ...section('hec-protocol §8', reliedOnBy, [
      {
        id: 'hec/ack-ids',
        says: 'Ids count from 0 in each channel',
        mark: 'verified',
        believed: '0 1, 0',
        reliedOnBy: [...reliedOnBy, 'src/sinks/splunk-hec/ack-channel.ts'],
        observe: async () => {
          const [one, other] = [randomUUID(), randomUUID()]
          const ids = [await post(one), await post(one), await post(other)].map(idOf)
          return `${ids[0]} ${ids[1]}, ${ids[2]}`
        },
      },
      {
        id: 'hec/ack-true-once',
        says: 'An id is true once, and false when asked about again',
        mark: 'verified',
        believed: 'true, then false',
        observe: async () => {
          const channel = randomUUID()
          await post(channel)
          const first = await told(channel, 0)
          return `${first}, then ${(await ask(channel, [0])).reply?.acks?.['0']}`
        },
      },
      {
        id: 'hec/ack-unknown-channel',
        says: 'Every id of an unused channel is false',
        mark: 'verified',
        believed: '200 {"0":false,"7":false}',
        observe: async () => {
          const { status, reply } = await ask(randomUUID(), [0, 7])
          return `${status} ${JSON.stringify(reply?.acks)}`
        },
      },
      {
        id: 'hec/ack-channel-missing',
        says: 'An ack query without a channel is refused',
        mark: 'verified',
        believed: CHANNEL_MISSING,
        observe: answered({ path: '/ack', channel: null, body: '{"acks":[0]}' }),
      },
      {
        id: 'hec/ack-off',
        says: 'A token without acknowledgement refuses ack queries',
        mark: 'verified',
        believed: '400 14',
        observe: async () => said(await hec.send({ path: '/ack', body: '{"acks":[0]}' })),
      },
      {
        id: 'hec/ack-version',
        says: '/ack/1.0 is the same as /ack',
        source: 'hec-protocol §1',
        mark: 'unverified',
        believed: '200 {"0":false}',
        reliedOnBy: ['src/emulator/hec/http.ts'],
        observe: async () => {
          const answer = await ask(randomUUID(), [0], '/ack/1.0')
          return answer.reply?.acks ? `${answer.status} ${JSON.stringify(answer.reply.acks)}` : said(answer)
        },
      },
      {
        id: 'hec/ack-get',
        says: 'GET /ack is accepted, as the documentation lists it; without a body it holds no data',
        source: 'hec-protocol §1',
        mark: 'unverified',
        believed: '400 5',
        reliedOnBy: ['src/emulator/hec/http.ts'],
        observe: answered({ path: '/ack', method: 'GET' }),
      },
      {
        id: 'hec/refused-on-ack',
        says: 'A refused request gets no ack id and uses none; its indexed prefix is never acknowledged',
        source: 'hec-protocol §6',
        mark: 'unverified',
        believed: '400 12 #1 without id; the next request gets 0',
        reliedOnBy: [...refusals, 'src/sinks/splunk-hec/ack-channel.ts'],
        observe: async () => {
          const channel = randomUUID()
          const refused = await post(channel, { event: `${hec.mark()} prefix` }, {})
          const id = idOf(refused)
          return `${said(refused)} ${id === 'no id' ? 'without id' : `with id ${id}`}; the next request gets ${idOf(await post(channel))}`
        },
      },
      {
        id: 'hec/refused-never-true',
        says: 'On a channel whose only request was refused, id 0 is never true: a true means a delivery',
        source: 'hec-protocol §6, §8.5',
        mark: 'unverified',
        believed: 'never true',
        reliedOnBy: [...refusals, 'src/sinks/splunk-hec/ack-channel.ts'],
        observe: async () => {
          const channel = randomUUID()
          await post(channel, { event: `${hec.mark()} prefix` }, {})
          return (await told(channel, 0, 60)) ? 'told true' : 'never true'
        },
      },
      {
        id: 'hec/ack-through-forwarder',
        says: 'Through a heavy forwarder an ack covers only the forwarder’s pipeline, not the indexer',
        mark: 'unverified',
        believed: 'true before it is indexed',
        ...noClientCan('only the person who stops the indexers behind a forwarder can see it'),
      },
    ]),
  ]
}

function idOf({ reply }: HecAnswer): number | 'no id' {
  return reply?.ackId ?? 'no id'
}
