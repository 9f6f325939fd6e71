import { boolean, choice, matching, size, text, wholeNumber } from './parsers.ts'
import { defaulting, hostName, optional } from './setting.ts'
import { facility, hostNameTemplate, severity, syslogUrls, timeZone } from './syslog-parsers.ts'

/** A syslog collector, instead of Splunk. */
export const SYSLOG_SETTINGS = {
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
} as const
