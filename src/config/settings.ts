import type { Parser } from './parsers.ts'
import {
  autoOrBoolean,
  boolean,
  choice,
  commaList,
  hecToken,
  hecUrls,
  listOf,
  matching,
  multiLine,
  noProxyList,
  printable,
  proxyUrl,
  searchToken,
  searchUrl,
  seconds,
  secret,
  size,
  slsEndpoint,
  text,
  topicList,
  wholeNumber,
} from './parsers.ts'
import { startPosition } from './start-position.ts'
import { facility, hostNameTemplate, severity, syslogUrls, timeZone } from './syslog-parsers.ts'

export const GROUPS = {
  file: 'Configuration file',
  sls: 'Log Service (SLS)',
  credentials: 'Credentials other than an access key pair',
  filter: 'Filter',
  event: 'Events',
  hec: 'Splunk HEC',
  tls: 'TLS to Splunk',
  syslog: 'Syslog, instead of Splunk HEC',
  data: 'Dead letter and memory',
  network: 'Proxies',
  process: 'Process',
  search: 'Splunk search, only for `reconcile`',
} as const

interface Description {
  group: keyof typeof GROUPS
  doc: string
  /** Its meaning on one line. Settings that have one come first in .env.example. */
  brief?: string
  /** A value that would work. */
  example: string
  /** The value never appears, neither in problems nor in logs. */
  secret?: true
  /** The default in words, where it is computed. */
  computed?: string
  /** Required when the credentials come from this source. */
  neededBy?: CredentialsChoice
  /** About the connection to this peer: a command that does not ask the peer does without. */
  peer?: Peer
}

export interface Setting<T> extends Description {
  parser: Parser<T>
  required: boolean
  /** As text, so that the same parser reads defaults and values of users. */
  default: string | undefined
}

function required<T>(parser: Parser<T>, about: Description): Setting<T> {
  return { parser, required: true, default: undefined, ...about }
}

function optional<T>(parser: Parser<T>, about: Description): Setting<T | undefined> {
  return { parser, required: false, default: undefined, ...about }
}

function defaulting<T>(
  fallback: string,
  parser: Parser<T>,
  about: Omit<Description, 'example'> & { example?: string },
): Setting<T> {
  return { parser, required: false, default: fallback, example: fallback, ...about }
}

const project = matching(
  /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/,
  '3 to 63 of a-z, 0-9 and -; first and last a letter or digit',
)
const hostName = matching(/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/, 'host name')
/** The service answers 405 to every request about a group with another name, so such a name is refused here. */
const storeOrGroup = matching(
  /^[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]$/,
  '2 to 63 of a-z, 0-9, _ and -; first and last a letter or digit',
)

const CREDENTIALS = ['access_key', 'ecs_ram_role', 'oidc', 'uri', 'profile', 'default'] as const
export type CredentialsChoice = (typeof CREDENTIALS)[number]

/**
 * Every variable, once. The loader, docs/configuration.md and .env.example all come from this table. Each variable can
 * also be given as `NAME_FILE=/path`.
 */
export const SETTINGS = {
  BRIDGE_CONFIG: optional(text, {
    group: 'file',
    doc: 'A [configuration file](configuration-file.md), for several logstores, several sinks, and routes by content. With it, `SLS_…`, `FILTER_…` and `SPLUNK_HEC_…` that it does not quote are an error. `--config FILE` of a command counts more.',
    example: '/etc/sls-siem-bridge/bridge.yaml',
  }),
  SLS_ENDPOINT: required(slsEndpoint, {
    group: 'sls',
    brief: 'Endpoint of Log Service in the region of the project. Inside a VPC: the one with -intranet.',
    doc: 'Endpoint of Log Service, without the project. The scheme is optional (https). An IP address or `localhost` with a port is for emulators: it is connected to directly and sent `Host: <project>.<host:port>`.',
    example: 'https://cn-hangzhou.log.aliyuncs.com',
  }),
  SLS_AK_ID: optional(printable, {
    group: 'sls',
    brief: 'Access key ID. Other credentials, such as a RAM role: docs/credentials.md.',
    doc: 'Access key ID.',
    example: 'LTAI5tExampleExample',
    neededBy: 'access_key',
    peer: 'service',
  }),
  SLS_AK_KEY: optional(secret, {
    group: 'sls',
    brief: 'Access key secret.',
    doc: 'Access key secret.',
    example: 'your-access-key-secret',
    secret: true,
    neededBy: 'access_key',
    peer: 'service',
  }),
  SLS_STS_TOKEN: optional(secret, {
    group: 'sls',
    doc: 'STS token that came with a temporary access key pair.',
    example: 'your-sts-token',
    secret: true,
    peer: 'service',
  }),
  SLS_REGION: optional(matching(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'region id: a-z, 0-9 and -'), {
    group: 'sls',
    doc: 'Region of the project. If it is set, requests are signed with V4 for this region; if not, with V1.',
    example: 'cn-hangzhou',
  }),
  SLS_PROJECT: required(project, {
    group: 'sls',
    brief: 'Project to read from.',
    doc: 'Project to read from.',
    example: 'audit-prod',
  }),
  SLS_LOGSTORE: required(listOf(storeOrGroup), {
    group: 'sls',
    brief: 'Logstore to read from, or several of the project, separated by commas.',
    doc: 'Logstore to read from, or several of the same project. Each has a consumer group of its own, named SLS_CG.',
    example: 'audit-log',
  }),
  SLS_CG: required(storeOrGroup, {
    group: 'sls',
    brief: 'Consumer group, created if absent. Replicas that share the work have the same one.',
    doc: 'Consumer group; created if absent. Replicas that share the work share this name.',
    example: 'siem-bridge',
  }),
  SLS_CONSUMER: optional(matching(/^[A-Za-z0-9._:@-]{1,200}$/, '1 to 200 of A-Z, a-z, 0-9 and . _ : @ -'), {
    group: 'sls',
    doc: 'Name of this replica, unique in the group. Two running replicas with the same name read the same shards.',
    example: 'siem-bridge-0',
    computed: '`<SLS_CG>-<hostname>-<pid>`',
  }),
  SLS_START: defaulting('begin', startPosition, {
    group: 'sls',
    doc: 'Where a shard without a checkpoint starts: at the oldest log retained, with new logs only, or at a time of arrival at the service. `end` is the end of each shard when the group starts. Shards that a later split or merge makes are read from their beginning.',
    example: '2026-01-31T00:00:00+08:00',
  }),
  SLS_HEARTBEAT_SECONDS: defaulting('20', wholeNumber(1, 600), {
    group: 'sls',
    doc: 'Heartbeat interval. The consumer group’s timeout is 3 times this; after it, the shards of a dead replica move to others. Give all replicas of a group the same value. A replica with a shorter interval shortens the timeout of the whole group, and shards of the slower replicas then move between two heartbeats: events repeat, none is lost.',
  }),
  SLS_FETCH_INTERVAL_SECONDS: defaulting('1', seconds(0, 3600), {
    group: 'sls',
    doc: 'Pause after a pull that reached the end of the shard.',
    example: '0.2',
  }),
  SLS_FETCH_COUNT: defaulting('1000', wholeNumber(1, 1000), { group: 'sls', doc: 'Log groups per pull, at most.' }),
  SLS_QUERY: optional(multiLine, {
    group: 'sls',
    doc: 'SPL that the service applies before it answers a pull (row filter, column pruning). Event ids are then hashes of shard, time and contents, so identical logs share an id.',
    example: "* | where eventType = 'login'",
  }),
  SLS_IN_ORDER: defaulting('false', boolean, {
    group: 'sls',
    doc: 'After a split or merge, read the new shards only when the old ones are finished.',
  }),
  SLS_EXPIRED_CURSOR: defaulting('begin', choice('begin', 'fail'), {
    group: 'sls',
    doc: 'What to do with a checkpoint that is older than the oldest log retained: resume at the oldest log, with a warning and a metric (`begin`), or stop this shard until an operator sets the checkpoint (`fail`).',
  }),
  SLS_CREDENTIALS: optional(choice(...CREDENTIALS), {
    group: 'credentials',
    doc: 'Where the credentials come from: `SLS_AK_ID` and `SLS_AK_KEY`, the RAM role of the ECS instance, an OIDC token (RRSA in ACK), a URI, a profile of the credentials file, or the chain of the vendor’s SDKs. See [credentials](credentials.md).',
    example: 'access_key',
    computed:
      '`access_key`; without an access key pair the first of `oidc`, `uri`, `profile` and `ecs_ram_role` that has a variable below',
  }),
  ALIBABA_CLOUD_ROLE_ARN: optional(text, {
    group: 'credentials',
    doc: 'The RAM role to assume with the OIDC token.',
    example: 'acs:ram::1234567890123456:role/sls-siem-bridge',
    neededBy: 'oidc',
  }),
  ALIBABA_CLOUD_OIDC_PROVIDER_ARN: optional(text, {
    group: 'credentials',
    doc: 'The OIDC identity provider the role trusts.',
    example: 'acs:ram::1234567890123456:oidc-provider/ack-rrsa-c0123456789',
    neededBy: 'oidc',
  }),
  ALIBABA_CLOUD_OIDC_TOKEN_FILE: optional(text, {
    group: 'credentials',
    doc: 'File with the OIDC token. It is read each time the role is assumed.',
    example: '/var/run/secrets/ack.alibabacloud.com/rrsa-tokens/token',
    neededBy: 'oidc',
  }),
  ALIBABA_CLOUD_STS_REGION: optional(text, {
    group: 'credentials',
    doc: 'Region of the Security Token Service.',
    example: 'cn-hangzhou',
    computed: '`sts.aliyuncs.com`, without a region',
  }),
  ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED: optional(text, {
    group: 'credentials',
    doc: '`true` uses the endpoint of the Security Token Service inside the region’s VPC network, without the internet.',
    example: 'true',
  }),
  SLS_STS_ENDPOINT: optional(matching(/^[A-Za-z0-9.-]+(:\d{1,5})?$/, 'host name, optionally with a port; no scheme'), {
    group: 'credentials',
    doc: 'Host of the Security Token Service in a private cloud. The connection uses HTTPS.',
    example: 'sts.cloud.example.com',
  }),
  ALIBABA_CLOUD_CREDENTIALS_URI: optional(text, {
    group: 'credentials',
    doc: 'URL that answers with `AccessKeyId`, `AccessKeySecret`, `SecurityToken` and `Expiration` as JSON.',
    example: 'http://127.0.0.1:7002/credentials',
    neededBy: 'uri',
  }),
  ALIBABA_CLOUD_CREDENTIALS_FILE: optional(text, {
    group: 'credentials',
    doc: 'File with profiles of credentials.',
    example: '/etc/sls-siem-bridge/credentials',
    computed: '`~/.alibabacloud/credentials`',
  }),
  ALIBABA_CLOUD_PROFILE: optional(text, {
    group: 'credentials',
    doc: 'Name of the profile to use.',
    example: 'audit',
    computed: '`default`',
  }),
  ALIBABA_CLOUD_ECS_METADATA: optional(text, {
    group: 'credentials',
    doc: 'Name of the RAM role of the ECS instance.',
    example: 'sls-siem-bridge',
    computed: 'the role that the metadata server names',
  }),
  FILTER_TOPICS: optional(topicList, {
    group: 'filter',
    brief: 'Topics to deliver, separated by commas. Empty or absent: all.',
    doc: 'The `__topic__` values to deliver. Logs of other topics are counted as filtered. `prefix*` is every topic that begins so, `""` is the empty topic.',
    example: 'audit,login',
    computed: 'all topics',
  }),
  EVENT_JSON_FIELDS: optional(commaList, {
    group: 'event',
    doc: 'Contents whose value is a JSON object or array are sent as JSON, not as text that holds JSON. `*` is all contents. See [shaping](shaping.md).',
    example: 'event,detail',
    computed: 'none',
  }),
  EVENT_RESERVED_KEYS: defaulting('override', choice('override', 'rename'), {
    group: 'event',
    doc: 'What becomes of contents named `__topic__`, `__source__` or `__tag__:…`. They replace the real ones (`override`), as in the official SDK, or are called `__content__:__topic__` and so on (`rename`). With `rename` a log cannot pass for another’s.',
  }),
  SPLUNK_HEC_URL: required(hecUrls, {
    group: 'hec',
    peer: 'collector',
    brief: 'Splunk HTTP Event Collector, or several that share the load, separated by commas.',
    doc: 'Base URL of the HTTP Event Collector. Several URLs share the load. A path up to `/services/collector/event/1.0` may follow; it makes no difference.',
    example: 'https://splunk.example.com:8088',
  }),
  SPLUNK_HEC_TOKEN: required(hecToken, {
    group: 'hec',
    peer: 'collector',
    brief: 'HEC token.',
    doc: 'HEC token.',
    example: '00000000-0000-0000-0000-000000000000',
    secret: true,
  }),
  SPLUNK_HEC_INDEX: optional(matching(/^[a-z0-9_][a-z0-9_-]{0,254}$/, 'a-z, 0-9, _ and -; not - first'), {
    group: 'hec',
    doc: 'Index of the events. The token must have the right to write to it.',
    example: 'aliyun_audit',
    computed: 'the default index of the token',
  }),
  SPLUNK_HEC_SOURCETYPE: defaulting('aliyun:sls', text, {
    group: 'hec',
    doc: 'Source type of the events. `auto` chooses it by topic: see [the table](shaping.md#source-types). Unknown topics get `aliyun:sls`.',
  }),
  SPLUNK_HEC_SOURCE: optional(text, {
    group: 'hec',
    doc: 'Source of the events.',
    example: 'sls://audit-prod/audit-log',
    computed: '`sls://<project>/<logstore>`',
  }),
  SPLUNK_HEC_HOST: optional(text, {
    group: 'hec',
    doc: 'Host of the events.',
    example: 'aliyun',
    computed: 'the log’s `__source__`',
  }),
  SPLUNK_HEC_ACK: defaulting('auto', autoOrBoolean, {
    group: 'hec',
    doc: 'Indexer acknowledgement. `auto` asks the collector whether the token has it.',
  }),
  SPLUNK_HEC_TIMEOUT_SECONDS: defaulting('120', seconds(0.1, 3600), {
    group: 'hec',
    doc: 'Longest time for one request.',
  }),
  SPLUNK_HEC_ACK_POLL_SECONDS: defaulting('2', seconds(0.01, 3600), {
    group: 'hec',
    doc: 'Interval between two questions whether requests are acknowledged.',
  }),
  SPLUNK_HEC_ACK_TIMEOUT_SECONDS: defaulting('300', seconds(0.1, 86_400), {
    group: 'hec',
    doc: 'Events that are not acknowledged within this time are sent again.',
  }),
  SPLUNK_HEC_GZIP: defaulting('true', boolean, { group: 'hec', doc: 'Compress request bodies.' }),
  SPLUNK_HEC_MAX_BYTES: defaulting('1000000', size(1, 838_860_800), {
    group: 'hec',
    doc: 'Largest request body before compression. Keep it below `max_content_length` of Splunk and below the limit of every proxy.',
    computed: '`1000000`, or `MAX_IN_FLIGHT_BYTES` if this is less',
  }),
  SPLUNK_HEC_CONCURRENCY: defaulting('4', wholeNumber(1, 256), {
    group: 'hec',
    doc: 'Most requests in flight at the same time.',
  }),
  SPLUNK_HEC_TLS_VERIFY: defaulting('true', boolean, {
    group: 'tls',
    peer: 'collector',
    doc: 'Verify the certificate of Splunk. Turn this off only for experiments.',
  }),
  SPLUNK_HEC_TLS_CA_FILE: optional(text, {
    group: 'tls',
    peer: 'collector',
    doc: 'PEM file with the certificate authorities to trust instead of the public ones.',
    example: '/etc/sls-siem-bridge/ca.pem',
  }),
  SPLUNK_HEC_TLS_CERT_FILE: optional(text, {
    group: 'tls',
    peer: 'collector',
    doc: 'PEM file of the client certificate, for mutual TLS.',
    example: '/etc/sls-siem-bridge/client.pem',
  }),
  SPLUNK_HEC_TLS_KEY_FILE: optional(text, {
    group: 'tls',
    peer: 'collector',
    doc: 'PEM file with the key of the client certificate. The key must have no passphrase.',
    example: '/etc/sls-siem-bridge/client.key',
  }),
  SPLUNK_HEC_TLS_SERVER_NAME: optional(hostName, {
    group: 'tls',
    peer: 'collector',
    doc: 'Name to expect in the certificate, if it is not the host name of the URL.',
    example: 'splunk.internal',
  }),
  SYSLOG_URL: optional(syslogUrls, {
    group: 'syslog',
    doc: 'Syslog collector, instead of `SPLUNK_HEC_URL`. Several share the load and stand in for each other. Ports 514 (tcp, udp), 6514 (tls, relp+tls) and 2514 (relp) if none is given. `relp` is rsyslog’s protocol in which each message is answered. `udp` confirms nothing: what gets lost is lost.',
    example: 'tls://syslog.example.com:6514',
    brief: 'Or a syslog collector, and then without the two before: docs/syslog.md.',
  }),
  SYSLOG_FORMAT: defaulting('json', choice('json', 'kv', 'cef', 'leef', 'raw'), {
    group: 'syslog',
    doc: 'Payload of a message. `json` is the event on one line, as Splunk would get it. `kv` is `||key=value||key=value`, as the vendor’s sample writes it. `cef` (version 0) and `leef` (1.0, with tabs) have the keys of the SIEM for the logs of Alibaba Cloud’s products, everything else under its own name, and the event id as `slsEventId`. `raw` is one content as it is; a log without it is sent as `json`, and counted.',
  }),
  SYSLOG_HEADER: defaulting('rfc5424', choice('rfc5424', 'rfc3164', 'none'), {
    group: 'syslog',
    doc: 'Header of a message. RFC 5424 has event id, topic, source and shard in its structured data. `rfc3164` is for older collectors: no year, no zone, no structured data. `none` is the payload alone. Without structured data `json` and `kv` have the event id as `sls_event_id`.',
  }),
  SYSLOG_FRAMING: optional(choice('octet', 'lf'), {
    group: 'syslog',
    doc: 'How messages follow one another (RFC 6587): `octet` puts the length before each, `lf` a line end behind each. A collector that wants the other one makes nonsense of everything.',
    example: 'octet',
    computed: '`octet` with the header `rfc5424`, `lf` with the others',
  }),
  SYSLOG_CONFIRM: defaulting('drain', choice('drain', 'written'), {
    group: 'syslog',
    doc: 'What proves that messages arrived, so that checkpoints may move. `drain` half-closes a connection and waits until the collector closes it too: it has read everything then. `written` waits until the connection has lived on for 16 MB or 60 s: likely, and no proof. `relp` and `relp+tls` confirm by themselves, `udp` never does.',
  }),
  SYSLOG_FACILITY: defaulting('user', facility, { group: 'syslog', doc: 'Facility, by name or number.' }),
  SYSLOG_SEVERITY: defaulting('info', severity, {
    group: 'syslog',
    doc: 'Severity, by name or number. `auto`: by what the log says, as a refused call or its own `level`. The severities in CEF and LEEF always are.',
  }),
  SYSLOG_HOSTNAME: defaulting('{project}', hostNameTemplate, {
    group: 'syslog',
    doc: 'HOSTNAME of the header, the same from every replica. `{project}`, `{logstore}`, `{topic}`, `{source}` and fields of the log are replaced. If it comes out empty, it is `-`.',
    example: '{project}/{topic}',
  }),
  SYSLOG_APP_NAME: defaulting('sls', text, { group: 'syslog', doc: 'APP-NAME of the header.' }),
  SYSLOG_SD_ID: defaulting(
    'sls@32473',
    matching(/^[!#-<>-\\^-~]{1,32}$/, '1 to 32 printable ASCII without space = ] "'),
    {
      group: 'syslog',
      doc: 'Name of the structured data with event id, topic, source and shard. 32473 is the enterprise number for examples: put yours there if you have one.',
    },
  ),
  SYSLOG_MAX_BYTES: defaulting('8000', size(480, 10_000_000), {
    group: 'syslog',
    doc: 'Longest message, its count not included. Keep it below the limit of the collector: many cut or refuse longer ones.',
  }),
  SYSLOG_OVERSIZE: defaulting('truncate', choice('truncate', 'dead-letter'), {
    group: 'syslog',
    doc: 'What becomes of a longer one. `truncate` shortens its values, the longest first, and adds `slsTruncated` with the length that it would have had. `dead-letter` sends nothing of it.',
  }),
  SYSLOG_TLS_VERIFY: defaulting('true', boolean, {
    group: 'syslog',
    peer: 'collector',
    doc: 'Verify the certificate of the collector. Turn this off only for experiments.',
  }),
  SYSLOG_TLS_CA_FILE: optional(text, {
    group: 'syslog',
    peer: 'collector',
    doc: 'PEM file with the certificate authorities to trust instead of the public ones.',
    example: '/etc/sls-siem-bridge/ca.pem',
  }),
  SYSLOG_TLS_CERT_FILE: optional(text, {
    group: 'syslog',
    peer: 'collector',
    doc: 'PEM file of the client certificate, for mutual TLS.',
    example: '/etc/sls-siem-bridge/client.pem',
  }),
  SYSLOG_TLS_KEY_FILE: optional(text, {
    group: 'syslog',
    peer: 'collector',
    doc: 'PEM file with the key of the client certificate. The key must have no passphrase.',
    example: '/etc/sls-siem-bridge/client.key',
  }),
  SYSLOG_TLS_SERVER_NAME: optional(hostName, {
    group: 'syslog',
    peer: 'collector',
    doc: 'Name to expect in the certificate, if it is not the host name of the URL.',
    example: 'siem.internal',
  }),
  SYSLOG_TIMEZONE: defaulting('UTC', timeZone, {
    group: 'syslog',
    doc: 'Zone of the times in a header of RFC 3164, which does not name it. The collector must expect the same one.',
    example: 'Asia/Shanghai',
  }),
  SYSLOG_RAW_FIELD: defaulting('content', text, { group: 'syslog', doc: 'The content that `raw` sends.' }),
  SYSLOG_KV_SEPARATOR: defaulting('||', text, { group: 'syslog', doc: 'Stands before each key of `kv`.' }),
  SYSLOG_CONNECTIONS: defaulting('2', wholeNumber(1, 64), {
    group: 'syslog',
    doc: 'Connections to one collector that are written to at the same time. Up to 7 more wait for their confirmation.',
  }),
  SYSLOG_MAX_EPS: optional(wholeNumber(1, 10_000_000), {
    group: 'syslog',
    doc: 'Most events a second, all connections together, for a collector whose licence drops what comes faster. Each replica counts for itself.',
    example: '5000',
  }),
  DEAD_LETTER_DIR: defaulting('./dead-letter', text, {
    group: 'data',
    doc: 'Directory for the events that the SIEM refused for good, as JSON-lines files.',
    example: '/var/lib/sls-siem-bridge/dead-letter',
  }),
  MAX_IN_FLIGHT_BYTES: defaulting('67108864', size(1, 17_179_869_184), {
    group: 'data',
    doc: 'Most bytes that are pulled and not yet acknowledged, all shards together. This limits the memory of the process.',
  }),
  HTTPS_PROXY: optional(proxyUrl, {
    group: 'network',
    doc: 'Forward proxy for connections to `https://` addresses, of Log Service and Splunk alike. It is asked for a tunnel with `CONNECT`. The lower-case name counts first, as in other programs.',
    example: 'http://user:password@proxy.example.com:3128',
    secret: true,
  }),
  HTTP_PROXY: optional(proxyUrl, {
    group: 'network',
    doc: 'Forward proxy for connections to `http://` addresses.',
    example: 'http://proxy.example.com:3128',
    secret: true,
  }),
  NO_PROXY: optional(noProxyList, {
    group: 'network',
    doc: 'Hosts that are connected to without a proxy: names (with their subdomains), addresses, networks such as `10.0.0.0/8`, each optionally with a port; `*` is all.',
    example: 'localhost,127.0.0.1,.internal.example.com',
  }),
  ADMIN_HOST: defaulting('127.0.0.1', matching(/^[A-Za-z0-9.:_[\]-]+$/, 'host name or IP address'), {
    group: 'process',
    doc: 'Address on which `/metrics`, `/livez` and `/readyz` listen. In a container: `::`, which is every address of IPv6 and IPv4.',
    example: '::',
  }),
  ADMIN_PORT: defaulting('9464', wholeNumber(0, 65_535), {
    group: 'process',
    doc: 'Port on which they listen; 0 takes a free one. If the default port is taken, the next free port above it is used, so that replicas on one host can share an environment. A port that is set here and taken is an error. The log says which port it is.',
  }),
  ADMIN_ALLOWED_HOSTS: optional(listOf(matching(/^[A-Za-z0-9._-]+$/, 'host name')), {
    group: 'process',
    doc: 'More names under which they may be asked. Allowed without it: addresses, `localhost`, the name of the machine and `ADMIN_HOST`. A request with another `Host` is refused, so that no web page can read them through a name of its own.',
    example: 'bridge.monitoring.svc',
  }),
  SHUTDOWN_GRACE_SECONDS: defaulting('25', seconds(0, 3600), {
    group: 'process',
    doc: 'Time to drain after SIGTERM. Keep it below the time after which the supervisor kills the process (Kubernetes: 30).',
  }),
  LOG_LEVEL: defaulting('info', choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'), {
    group: 'process',
    doc: 'Least severe level that is logged.',
  }),
  LOG_FILE: optional(text, {
    group: 'process',
    doc: 'Log to files instead of standard output. `bridge.log` is a link to the current one of `bridge.1.log`, `bridge.2.log`, …, which only the user of the replica may read. A terminal still shows every line. SIGHUP opens the current file again.',
    example: '/var/log/sls-siem-bridge/bridge.log',
  }),
  LOG_FILE_MAX_BYTES: defaulting('20MB', size(1_000, 17_179_869_184), {
    group: 'process',
    doc: 'Size at which the next file of `LOG_FILE` begins.',
    example: '64MiB',
  }),
  LOG_FILE_KEEP: defaulting('5', wholeNumber(1, 10_000), {
    group: 'process',
    doc: 'Files of `LOG_FILE` that are kept, the current one included.',
  }),
  SPLUNK_SEARCH_URL: optional(searchUrl, {
    group: 'search',
    peer: 'search',
    doc: 'Management URL of a search head, which `reconcile` asks for the events that arrived. This is not the URL of the collector.',
    example: 'https://splunk.example.com:8089',
  }),
  SPLUNK_SEARCH_TOKEN: optional(searchToken, {
    group: 'search',
    peer: 'search',
    doc: 'Authentication token of a user with the right to search the index. A session key needs `Splunk ` before it.',
    example: 'eyJraWQiOiJzcGx1bmsifQ',
    secret: true,
  }),
  SPLUNK_SEARCH_TLS_VERIFY: defaulting('true', boolean, {
    group: 'search',
    peer: 'search',
    doc: 'Verify the certificate of the search head.',
  }),
  SPLUNK_SEARCH_TLS_CA_FILE: optional(text, {
    group: 'search',
    peer: 'search',
    doc: 'PEM file with the certificate authorities to trust instead of the public ones.',
    example: '/etc/sls-siem-bridge/ca.pem',
  }),
  SPLUNK_SEARCH_TLS_SERVER_NAME: optional(hostName, {
    group: 'search',
    peer: 'search',
    doc: 'Name to expect in the certificate, if it is not the host name of the URL.',
    example: 'splunk.internal',
  }),
} as const

export type SettingName = keyof typeof SETTINGS
export type Values = { [K in SettingName]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never }
export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]

/** What a command asks: Log Service, the HTTP Event Collector, a search head. */
export type Peer = 'service' | 'collector' | 'search'
export const PEERS: readonly Peer[] = ['service', 'collector', 'search']

/** All settings except those about the connection to a peer that the command does not ask. They may be wrong, or their files missing. */
export function settingsToAsk(asked: readonly Peer[]): SettingName[] {
  return SETTING_NAMES.filter((name) => {
    const { group, peer = group === 'credentials' ? 'service' : undefined }: Setting<unknown> = SETTINGS[name]
    return peer === undefined || asked.includes(peer)
  })
}

/** Where the environment names another sink. */
export function withoutSplunk(names: readonly SettingName[]): SettingName[] {
  return names.filter((name) => !name.startsWith('SPLUNK_HEC_'))
}
