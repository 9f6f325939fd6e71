// Names in CEF and LEEF for the fields of Alibaba Cloud's logs, and rules for the severity of a log. Names of fields are from the
// products' documentation, keys from the CEF standard (version 0) and IBM's LEEF guide.

/** Severity of syslog (0 highest, 7 lowest), of CEF (0–10), and of LEEF (1–10). */
export type Severity = readonly [syslog: number, cef: number, leef: number]

/**
 * How a value is read:
 * - `address`: an IP address. CEF has other keys for IPv6 and for names.
 * - `time`: ISO 8601, or unix seconds, milliseconds or microseconds; written as milliseconds.
 * - `seconds`: written as milliseconds.
 * - `lower`: in lower case.
 * - `error`: `failure` if there is one, otherwise `success`.
 * - `status`: `failure` from 400 on.
 * - `code`: a number of IP, by its name.
 * - `verdict`: `allowed` or `blocked`.
 * - `direction`: 0 in, 1 out.
 */
export type Reading =
  | 'text'
  | 'address'
  | 'time'
  | 'seconds'
  | 'lower'
  | 'error'
  | 'status'
  | 'code'
  | 'verdict'
  | 'direction'

export interface Column {
  /** The first that the log has. */
  readonly from: readonly string[]
  readonly as?: Reading
  readonly cef?: string
  /** The label of a custom key of CEF. */
  readonly label?: string
  readonly leef?: string
}

export interface Product {
  /** `DeviceProduct`. */
  readonly name: string
  /** A `*` at the end stands for the rest of a topic. */
  readonly topics: readonly string[]
  /** Also logs of any topic that have all of these. */
  readonly has?: readonly string[]
  /** The content whose JSON holds the fields; they may also stand beside it. */
  readonly inside?: string
  /** Class of the event and its name. Absent: the topic. */
  readonly eventClass?: readonly string[]
  readonly eventName?: readonly string[]
  readonly columns: readonly Column[]
  /** The first that holds, each part for the field that it names; an absent field is empty. */
  readonly severities: readonly { readonly when: Readonly<Record<string, RegExp>>; readonly is: Severity }[]
}

/** In the words of syslog, 0 to 7. */
export const LEVELS: readonly Severity[] = [
  [0, 10, 10],
  [1, 10, 10],
  [2, 9, 9],
  [3, 8, 8],
  [4, 6, 6],
  [5, 4, 4],
  [6, 2, 2],
  [7, 0, 1],
]
export const UNKNOWN_SEVERITY: Severity = [6, 3, 2]

const ANY = /./

/** Short forms: a table is read by its columns. */
function column(from: string, cef?: string, leef?: string, more: Pick<Column, 'as' | 'label'> = {}): Column {
  return { from: from.split(' '), ...(cef !== undefined && { cef }), ...(leef !== undefined && { leef }), ...more }
}
const none = undefined
const custom = (label: string) => ({ label })
const ADDRESS = { as: 'address' } as const
const TIME = { as: 'time' } as const

const WEB: readonly Column[] = [
  column('host matched_host', 'dhost'),
  column('slb_vport dst_port server_port', 'dpt', 'dstPort'),
  column('request_method http_method method', 'requestMethod'),
  column('request_uri request_path uri', 'request', 'url'),
  column('status http_status ret_code', 'cn1', none, custom('status')),
  column('body_bytes_sent response_body_length', 'out', 'srcBytes'),
  column('request_length', 'in', 'dstBytes'),
  column('http_user_agent User-Agent user_agent', 'requestClientApplication'),
  column('http_referer referer', 'requestContext'),
]

const FLOW: readonly Column[] = [
  column('src_ip srcaddr', 'src', 'src', ADDRESS),
  column('src_port srcport', 'spt', 'srcPort'),
  column('dst_ip dstaddr', 'dst', 'dst', ADDRESS),
  column('dst_port dstport', 'dpt', 'dstPort'),
  column('ip_protocol proto', 'proto', 'proto', { as: 'lower' }),
  column('protocol', 'proto', 'proto', { as: 'code' }),
  column('rule_result action', 'act', none, { as: 'verdict' }),
  column('direction net_connect_dir', 'deviceDirection', none, { as: 'direction' }),
  column('in_packet_bytes bytes', 'in', 'srcBytes'),
  column('out_packet_bytes', 'out', 'dstBytes'),
  column('total_packet_count packets', 'cnt', 'totalPackets'),
  column('app_name proc_name', 'app'),
]

const DATABASE: readonly Column[] = [
  column('client_ip', 'src', 'src', ADDRESS),
  column('user', 'suser', 'usrName'),
  column('db db_name', 'cs1', 'resource', custom('db')),
  column('instance_id cluster_id', 'dhost'),
  column('return_rows update_rows affect_rows', 'cn1', none, custom('rows')),
  column('sql query_sql', 'msg'),
]

const BLOCKED = /^(block|captcha|captcha_strict|js|slide|drop)$/

/** The first one with the topic, or with the fields, counts. */
export const PRODUCTS: readonly Product[] = [
  {
    name: 'ActionTrail',
    topics: ['actiontrail_audit_event', 'actiontrail_event'],
    inside: 'event',
    eventClass: ['eventName'],
    columns: [
      column('eventTime', 'rt', 'devTime', TIME),
      column('sourceIpAddress', 'src', 'src', ADDRESS),
      column('userIdentity.userName userIdentity.principalId', 'suser', 'usrName'),
      column('errorCode', 'outcome', none, { as: 'error' }),
      column('eventType', 'cat', 'cat'),
      column('eventName', 'act'),
      column('eventId', 'externalId'),
      column('serviceName', 'destinationServiceName', 'resource'),
      column('eventSource', 'dhost'),
      column('userIdentity.principalId', 'suid'),
      column('userIdentity.type', 'spriv', 'role'),
      column('userIdentity.accessKeyId', 'cs3', none, custom('accessKeyId')),
      column('userIdentity.accountId recipientAccountId', 'cs1', 'accountName', custom('accountId')),
      column('acsRegion', 'cs2', none, custom('region')),
      column('userAgent', 'requestClientApplication'),
      column('errorCode', 'reason'),
      column('errorMessage', 'msg'),
      column('resourceName', 'cs4', none, custom('resource')),
      column('resourceType', 'cs5', none, custom('resourceType')),
      column('requestId', 'deviceExternalId'),
      column('requestParameters', 'cs6', none, custom('request')),
    ],
    severities: [
      { when: { eventType: /^ConsoleSignin$/, errorCode: ANY }, is: [4, 7, 7] },
      { when: { 'userIdentity.type': /^root-account$/, eventRW: /^Write$/ }, is: [4, 7, 7] },
      { when: { errorCode: /Forbidden|NoPermission|AccessDenied|InvalidAccessKey/ }, is: [4, 6, 6] },
      { when: { errorCode: ANY }, is: [5, 4, 4] },
      { when: { eventRW: /^Write$/ }, is: [5, 3, 3] },
      { when: {}, is: [6, 1, 1] },
    ],
  },
  {
    name: 'Kubernetes Audit',
    topics: [],
    has: ['auditID', 'verb'],
    inside: 'event',
    eventClass: ['verb'],
    columns: [
      column('stageTimestamp', 'rt', 'devTime', TIME),
      column('sourceIPs.0', 'src', 'src', ADDRESS),
      column('user.username', 'suser', 'usrName'),
      column('responseStatus.code', 'outcome', none, { as: 'status' }),
      column('verb', 'act'),
      column('user.groups', 'spriv', 'role'),
      column('user.extra.accessKeyId.0', 'cs3', none, custom('accessKeyId')),
      column('objectRef.resource', 'cs4', 'resource', custom('resource')),
      column('objectRef.name', 'cs5', none, custom('name')),
      column('objectRef.namespace', 'cs6', none, custom('namespace')),
      column('responseStatus.reason', 'reason'),
      column('auditID', 'externalId'),
      column('userAgent', 'requestClientApplication'),
      column('requestURI', 'request', 'url'),
    ],
    severities: [
      { when: { 'responseStatus.code': /^40[13]$/ }, is: [4, 6, 6] },
      { when: { 'responseStatus.code': /^4/ }, is: [5, 4, 4] },
      { when: { 'responseStatus.code': /^5/ }, is: [3, 5, 5] },
      {
        when: { verb: /^(create|delete)$/, 'objectRef.resource': /^(secrets|(cluster)?rolebindings)$/ },
        is: [5, 5, 5],
      },
      { when: { 'objectRef.subresource': /^(exec|attach)$/ }, is: [5, 5, 5] },
      { when: { stage: /^Panic$/ }, is: [2, 8, 8] },
    ],
  },
  {
    name: 'WAF',
    topics: ['waf_access_log'],
    columns: [
      column('time', 'rt', 'devTime', TIME),
      column('real_client_ip remote_addr', 'src', 'src', ADDRESS),
      column('final_action waf_action block_action', 'act'),
      column('final_plugin web_attack_type', 'cat', 'cat'),
      column('final_rule_id waf_rule_id', 'cs2', 'policy', custom('rule')),
      ...WEB,
      column('request_time_msec', 'cn2', none, custom('ms')),
      column('request_traceid', 'externalId'),
    ],
    severities: [
      { when: { final_action: BLOCKED, final_rule_type: /sqli|injection|cmdi|code|rce|exec/i }, is: [3, 8, 8] },
      { when: { waf_action: BLOCKED, web_attack_type: /sqli|injection|cmdi|code|rce|exec/i }, is: [3, 8, 8] },
      { when: { final_action: BLOCKED }, is: [4, 6, 6] },
      { when: { waf_action: BLOCKED }, is: [4, 6, 6] },
      { when: { block_action: ANY }, is: [4, 6, 6] },
      { when: { acl_blocks: /^1$/ }, is: [4, 6, 6] },
      { when: { cc_blocks: /^1$/ }, is: [4, 6, 6] },
      { when: { final_action: ANY }, is: [5, 4, 4] },
      ...['waf', 'acl', 'cc', 'antiscan', 'scene'].map((module) => ({
        when: { [`${module}_test`]: /^true$/ },
        is: [5, 4, 4] as const,
      })),
    ],
  },
  {
    name: 'Anti-DDoS',
    topics: ['ddoscoo_access_log', 'ddos_access_log'],
    columns: [
      column('time', 'rt', 'devTime', TIME),
      column('real_client_ip remote_addr', 'src', 'src', ADDRESS),
      column('cc_action', 'act'),
      column('cc_phase', 'cat', 'cat'),
      ...WEB,
    ],
    severities: [{ when: { cc_blocks: /^1$/ }, is: [4, 6, 6] }],
  },
  ...[
    { name: 'SLB', topics: ['slb_layer7_access_log'] },
    { name: 'ALB', topics: ['alb_layer7_access_log'] },
  ].map((product) => ({
    ...product,
    columns: [
      column('time', 'rt', 'devTime', TIME),
      column('http_x_real_ip client_ip', 'src', 'src', ADDRESS),
      column('client_port', 'spt', 'srcPort'),
      ...WEB,
      column('request_time', 'cn2', none, { as: 'seconds', label: 'ms' }),
      column('slbid app_lb_id', 'deviceExternalId'),
    ],
    severities: [],
  })),
  {
    name: 'OSS',
    topics: ['oss_access_log', 'oss_batch_delete_log'],
    eventClass: ['operation'],
    columns: [
      column('time', 'rt', 'devTime', TIME),
      column('client_ip', 'src', 'src', ADDRESS),
      column('requester_id access_id', 'suid', 'usrName'),
      column('operation', 'cat', 'cat'),
      column('bucket', 'fname', 'resource'),
      column('object', 'filePath'),
      column('error_code', 'reason'),
      ...WEB,
      column('response_time', 'cn2', none, custom('ms')),
      column('request_id', 'externalId'),
    ],
    severities: [],
  },
  {
    name: 'Cloud Firewall',
    topics: ['cloudfirewall_access_log', 'cloudfirewall_vpc_log'],
    eventName: ['ips_rule_name_en', 'ips_rule_name'],
    columns: [
      column('start_time', 'rt', 'devTime', TIME),
      ...FLOW,
      column('acl_rule_id', 'cs1', 'policy', custom('acl')),
      column('ips_rule_id', 'cs2', none, custom('ips')),
      column('attack_type_name_en attack_type_name', 'cat', 'cat'),
      column('start_time', 'start', none, TIME),
      column('end_time', 'end', none, TIME),
      column('firewall_id cloud_instance_id', 'deviceExternalId'),
      column('aliuid', 'cs3', none, custom('account')),
    ],
    severities: [
      { when: { vul_level: /^3$/ }, is: [3, 9, 9] },
      { when: { vul_level: /^2$/ }, is: [4, 6, 6] },
      { when: { vul_level: /^1$/ }, is: [5, 3, 3] },
    ],
  },
  {
    name: 'VPC Flow Log',
    topics: ['flow_log'],
    columns: [
      column('start', 'rt', 'devTime', TIME),
      ...FLOW,
      column('start', 'start', none, TIME),
      column('end', 'end', none, TIME),
      column('eni-id', 'deviceExternalId'),
      column('account-id', 'cs3', none, custom('account')),
    ],
    severities: [],
  },
  ...[
    { name: 'ApsaraDB RDS', topics: ['rds_audit_log'] },
    { name: 'PolarDB', topics: ['polardb_audit_log'] },
    { name: 'PolarDB-X', topics: ['drds_audit_log*'] },
  ].map((product) => ({ ...product, columns: DATABASE, severities: [] })),
  {
    name: 'Security Center',
    topics: ['sas-security-log'],
    eventClass: ['name'],
    columns: [
      column('data_source', 'cat', 'cat'),
      column('unique_info', 'externalId'),
      column('uuid', 'deviceExternalId'),
      column('detail', 'msg'),
    ],
    severities: [
      { when: { level: /^serious$/ }, is: [3, 8, 8] },
      { when: { level: /^suspicious$/ }, is: [4, 6, 6] },
      { when: { level: /^remind$/ }, is: [5, 4, 4] },
    ],
  },
  {
    name: 'Security Center',
    topics: ['sas-vul-log'],
    eventName: ['name'],
    columns: [
      column('name', 'cs1', none, custom('vulnerability')),
      column('type', 'cat', 'cat'),
      column('uuid', 'deviceExternalId'),
    ],
    severities: [],
  },
  {
    name: 'Security Center',
    topics: ['aegis-log-login', 'aegis-log-crack'],
    columns: [
      column('src_ip warn_ip', 'src', 'src', ADDRESS),
      column('username warn_user', 'duser', 'usrName'),
      column('host_ip ip', 'dst', 'dst', ADDRESS),
      column('login_type warn_type', 'app'),
      column('warn_count', 'cnt'),
      column('uuid', 'deviceExternalId'),
    ],
    severities: [],
  },
  {
    name: 'Security Center',
    topics: ['aegis-log-process'],
    columns: [
      column('host_ip ip', 'dst', 'src', ADDRESS),
      column('username', 'suser', 'usrName'),
      column('filename', 'dproc'),
      column('filepath', 'filePath'),
      column('pid', 'dpid'),
      column('pfilename', 'sproc'),
      column('ppid', 'spid'),
      column('cmdline', 'msg'),
      column('uuid', 'deviceExternalId'),
    ],
    severities: [],
  },
  {
    name: 'Security Center',
    topics: ['sas-log-dns', 'local-dns', 'aegis-log-dns-query'],
    columns: [
      column('src_ip', 'src', 'src', ADDRESS),
      column('dst_ip', 'dst', 'dst', ADDRESS),
      column('qname query_name', 'destinationDnsDomain'),
    ],
    severities: [],
  },
  {
    name: 'Security Center',
    topics: ['sas-log-http'],
    columns: [column('src_ip', 'src', 'src', ADDRESS), column('dst_ip', 'dst', 'dst', ADDRESS), ...WEB],
    severities: [],
  },
  { name: 'Security Center', topics: ['sas-log-session', 'aegis-log-network'], columns: FLOW, severities: [] },
  { name: 'Security Center', topics: ['aegis-*', 'sas-*'], columns: [], severities: [] },
  {
    name: 'Falco',
    topics: [],
    has: ['priority', 'rule', 'output'],
    eventClass: ['rule'],
    columns: [
      column('time', 'rt', 'devTime', TIME),
      column('output', 'msg'),
      column('rule', 'cs1', 'cat', custom('rule')),
    ],
    severities: [],
  },
]
