import {
  autoOrBoolean,
  boolean,
  hecToken,
  hecUrls,
  matching,
  searchToken,
  searchUrl,
  seconds,
  size,
  text,
  wholeNumber,
} from './parsers.ts'
import { defaulting, hostName, optional, required } from './setting.ts'

/** The HTTP Event Collector. */
export const HEC_SETTINGS = {
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
} as const

/** The search head that `reconcile` asks. */
export const SEARCH_SETTINGS = {
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
