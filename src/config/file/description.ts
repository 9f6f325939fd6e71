import * as v from 'valibot'
import { boolean, matching, multiLine, choice as oneOf, size, wholeNumber } from '../parsers.ts'
import type { Peer } from '../setting.ts'
import { SETTINGS } from '../settings.ts'
import type { CredentialsType, SettingKeys } from './setting-keys.ts'
import {
  CREDENTIALS_KEYS,
  HEC_KEYS,
  HEC_TLS_KEYS,
  SOURCE_KEYS,
  SYSLOG_KEYS,
  SYSLOG_TLS_KEYS,
  settingsOf,
  textOf,
} from './setting-keys.ts'
import type { Described } from './shape.ts'
import { anything, byType, defaulting, list, map, named, oneOrList, optional, required, text } from './shape.ts'
import type { Draft } from './step-parts.ts'
import { onFailureKey, template } from './step-parts.ts'
import { shapeIn } from './steps.ts'

/** Names of sources, sinks and routes are labels of metrics, and stand in messages. */
const name = matching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, 'up to 64 of letters, digits, _ . -; first no . or -')
/** Conditions name them. */
const word = matching(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/, 'up to 64 of letters, digits, _ -; first a letter or _')
const version = { ...oneOf('1'), json: { enum: [1, '1'] } }
const topic = {
  allowed: 'topic; `prefix*` for all that begin so',
  parse: (value: string) =>
    value.slice(0, -1).includes('*') ? { refused: 'may have * only at the end of a topic' } : { value },
}
const anyText = { ...multiLine, allowed: 'text' }

type Shape = Described<readonly Draft[] | undefined>

const { endpoint, region, project, ...otherSourceKeys } = settingsOf(SOURCE_KEYS)

const sourceWith = (shape: Shape) =>
  map(
    {
      endpoint,
      region,
      project,
      ...otherSourceKeys,
      logstore: required(
        oneOrList(textOf('SLS_LOGSTORE', SETTINGS.SLS_LOGSTORE.parser), {
          doc: 'Logstore to read from, or a list of logstores of this project. Each has a consumer group of this name.',
          example: '[actiontrail, k8s-audit]',
        }),
      ),
      topics: optional(
        oneOrList(textOf('FILTER_TOPICS', topic), {
          doc: 'The `__topic__` values to read. The topic decides once per log group, so this costs nothing.',
          example: '[audit, login]',
          default: 'all topics',
        }),
      ),
      credentials: optional(
        text(name, {
          doc: 'Name of an entry of `credentials`.',
          default: 'the credentials of the environment',
          example: 'main',
        }),
      ),
      shape,
      on_failure: onFailureKey,
    },
    { doc: 'One or more logstores of a project, read by one consumer group.' },
  )

const credentialsTypes = (asked: boolean) => ({
  access_key: map(
    {
      type: defaulting('access_key', text(oneOf('access_key'), { doc: 'An access key pair.' })),
      ...peersOwnKeys(asked, settingsOf(CREDENTIALS_KEYS.access_key)),
    },
    {
      doc: 'An access key pair, with the STS token of a temporary one. A value that is `${file:…}` alone is read again when it changes.',
    },
  ),
  ecs_ram_role: vendor(asked, 'ecs_ram_role', 'The RAM role of the ECS instance.'),
  oidc: vendor(asked, 'oidc', 'An OIDC token that is exchanged for a RAM role (RRSA in ACK).'),
  uri: vendor(asked, 'uri', 'A URI that answers with credentials.'),
  profile: vendor(asked, 'profile', 'A profile of the credentials file.'),
})

function vendor(asked: boolean, type: CredentialsType, doc: string): Described<unknown> {
  const keys = peersOwnKeys(asked, settingsOf<SettingKeys>(CREDENTIALS_KEYS[type]))
  return map({ type: required(text(oneOf(type), { doc })), ...keys }, { doc })
}

const hec = (asked: boolean) =>
  map(
    {
      type: required(text(oneOf('splunk_hec'), { doc: 'The Splunk HTTP Event Collector.' })),
      ...settingsOf(HEC_KEYS),
      url: peersOwn(
        asked,
        required(
          oneOrList(textOf('SPLUNK_HEC_URL', SETTINGS.SPLUNK_HEC_URL.parser), {
            doc: SETTINGS.SPLUNK_HEC_URL.doc,
            example: '["https://splunk.example.com:8088"]',
          }),
        ),
      ),
      token: peersOwn(asked, settingsOf(HEC_KEYS).token),
      tls: peersOwn(asked, optional(map(settingsOf(HEC_TLS_KEYS), { doc: 'TLS to Splunk.' }))),
    },
    {
      doc: 'Splunk, through the HTTP Event Collector. The keys are the variables `SPLUNK_HEC_…`, small and without this beginning.',
    },
  )

/** A command that does not ask a peer runs where its secrets and its files are not. */
function peersOwn<T>(asked: boolean, described: Described<T>): Described<T> {
  return asked ? described : (v.nullish(v.unknown()) as unknown as Described<T>)
}

function peersOwnKeys<K extends Readonly<Record<string, Described<unknown>>>>(asked: boolean, keys: K): K {
  return Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, peersOwn(asked, value)])) as K
}

const syslogSink = (asked: boolean) =>
  map(
    {
      type: required(text(oneOf('syslog'), { doc: 'A syslog collector.' })),
      ...settingsOf(SYSLOG_KEYS),
      tls: peersOwn(asked, optional(map(settingsOf(SYSLOG_TLS_KEYS), { doc: 'TLS to the collector.' }))),
      url: required(
        oneOrList(textOf('SYSLOG_URL', SETTINGS.SYSLOG_URL.parser), {
          doc: 'Syslog collector, or several. They share the load and stand in for each other. Ports 514 (tcp, udp), 6514 (tls, relp+tls) and 2514 (relp) if none is given.',
          example: '["tls://syslog.example.com:6514"]',
        }),
      ),
    },
    { doc: 'A syslog collector. The keys are the variables `SYSLOG_…`, small and without this beginning.' },
  )

const fileSink = map(
  {
    type: required(text(oneOf('file'), { doc: 'Files of JSON lines.' })),
    path: required(
      text(anyText, {
        doc: 'One HEC envelope a line. `-` is standard output; the log of the program then goes to standard error.',
        example: '/var/lib/sls-siem-bridge/archive.jsonl',
      }),
    ),
    max_bytes: defaulting(
      '100MiB',
      text(size(1, 2 ** 40), {
        doc: 'A file of this size is renamed to `<path>.<UTC time>`, and not touched again.',
      }),
    ),
    keep: defaulting(
      '10',
      text(wholeNumber(1, 100_000), {
        doc: 'Full files that are kept beside the one being written. At least 1, or a file would be deleted as soon as it is full.',
      }),
    ),
  },
  {
    doc: 'A file, for a first look or for an archive. It is synced to disk before a checkpoint moves. Its folder must be there. One process writes a path: give each replica one of its own, for example with `${HOSTNAME}` in it.',
  },
)

const sinkTypes = (asked: boolean) => ({ splunk_hec: hec(asked), syslog: syslogSink(asked), file: fileSink })

const set = map(
  {
    index: optional(text(template, { doc: 'Index.', example: 'cloud' })),
    sourcetype: optional(text(template, { doc: 'Source type. `auto`: by topic.', example: 'aliyun:actiontrail' })),
    source: optional(text(template, { doc: 'Source.' })),
    host: optional(text(template, { doc: 'Host.', example: '{__tag__:__hostname__}' })),
  },
  {
    doc: 'Parts of the envelope, in place of those of the sink. `{field}` is replaced by the value that the log has before the shape of this route. A value that comes out empty counts as not set.',
    example: '{index: cloud, host: "{hostname}"}',
  },
)

const routeWith = (shape: Shape) =>
  map(
    {
      name: required(
        text(name, { doc: 'Name of the route, unique. Metrics, tests and `explain` use it.', example: 'denied' }),
      ),
      from: optional(
        oneOrList(text(name, { doc: 'Name of a source.' }), {
          doc: 'Sources whose logs come here.',
          default: 'every source',
          example: '[trail, web]',
        }),
      ),
      when: optional(
        text(anyText, {
          doc: 'Condition on the log: see [conditions](conditions.md).',
          default: 'always',
          example: 'status >= 500',
        }),
      ),
      to: optional(
        oneOrList(text(name, { doc: 'Name of a sink.' }), {
          doc: 'The sink, or several: each gets a copy. A route has either `to` or `drop`.',
          example: '[splunk, archive]',
        }),
      ),
      drop: optional(
        text(name, { doc: 'The log is dropped, and counted under this reason.', example: 'health-check' }),
      ),
      set: optional(set),
      shape,
      on_failure: onFailureKey,
      continue: defaulting(
        'false',
        text(boolean, { doc: 'The log goes on to the routes below: this one made a copy, and did not take it.' }),
      ),
    },
    { doc: 'A log walks the routes from the top. The first whose condition holds takes it.' },
  )

const expected = map(
  {
    route: optional(text(name, { doc: 'Name of the route.' })),
    sink: optional(text(name, { doc: 'Name of the sink.' })),
    index: optional(text(anyText, { doc: 'Index.' })),
    sourcetype: optional(text(anyText, { doc: 'Source type.' })),
    source: optional(text(anyText, { doc: 'Source.' })),
    host: optional(text(anyText, { doc: 'Host.' })),
    time: optional(text(anyText, { doc: 'Seconds with their decimals.', example: '"1795255040.316"' })),
    event: anything({
      doc: 'The event has these members, and perhaps others, at any depth.',
      example: '{event: {errorCode: Forbidden.RAM}}',
    }),
    event_is: anything({ doc: 'The event is exactly this.' }),
  },
  { doc: 'One copy that leaves. Only the given keys are compared.', example: '{route: denied, sink: qradar}' },
)

const test = map(
  {
    name: required(text(anyText, { doc: 'What the test shows.', example: 'denied calls are copied' })),
    source: required(text(name, { doc: 'Source that the log comes from.' })),
    logstore: optional(text(anyText, { doc: 'Logstore of the source, if it has several.', default: 'the first' })),
    log: anything({
      doc: 'The log: contents by name, also `__topic__`, `__source__`, `__tag__:K`, `__time__`. A map or a list becomes its JSON text.',
      example: '{__topic__: audit, status: "404"}',
    }),
    expect: required(
      list(expected, {
        doc: 'All copies, in the order of the walk. `[]`: nothing leaves.',
        example: '[{route: rest, sink: splunk}]',
      }),
    ),
  },
  { doc: 'A log, and what has to leave.' },
)

/**
 * Everything that a file may hold. Keys about the connection to a peer are looked at only if the command asks it. Relative
 * paths of steps start at the folder.
 */
export function fileDescription(asked: readonly Peer[], folder = '.') {
  const shape = shapeIn(folder)
  return map(
    {
      version: required(text(version, { doc: 'Version of the format.', example: '1' })),
      credentials: optional(
        named(
          name,
          byType(credentialsTypes(asked.includes('service')), { doc: 'Where keys come from.', absent: 'access_key' }),
          {
            doc: 'Credentials for Log Service, by name.',
          },
        ),
      ),
      sources: required(named(name, sourceWith(shape), { doc: 'Where logs come from, by name.' })),
      sinks: required(
        named(name, byType(sinkTypes(asked.includes('collector')), { doc: 'Where events go.' }), {
          doc: 'Where events go, by name.',
        }),
      ),
      lists: optional(
        named(word, list(text(anyText, { doc: 'A value.' }), { doc: 'Values.' }), {
          doc: 'Lists for conditions, by name.',
          example: '{probes: [/healthz, /readyz]}',
        }),
      ),
      macros: optional(
        named(word, text(anyText, { doc: 'A condition.' }), {
          doc: 'Conditions that other conditions use, by name.',
          example: "{denied: 'errorCode startswith Forbidden'}",
        }),
      ),
      routes: required(list(routeWith(shape), { doc: 'What goes where, from top to bottom.' })),
      unmatched: defaulting(
        'error',
        text(name, {
          doc: 'Logs that no route takes: `error` refuses a file in which there could be any, `drop` drops and counts them, the name of a sink sends them there.',
        }),
      ),
      tests: optional(list(test, { doc: 'Logs and what has to become of them, for `sls-siem-bridge test`.' })),
    },
    { doc: 'The configuration file.' },
  )
}
