import {
  boolean,
  choice,
  commaList,
  listOf,
  matching,
  multiLine,
  printable,
  seconds,
  secret,
  slsEndpoint,
  text,
  topicList,
  wholeNumber,
} from './parsers.ts'
import { CREDENTIALS, defaulting, optional, required } from './setting.ts'
import { startPosition } from './start-position.ts'

const project = matching(
  /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/,
  '3 to 63 of a-z, 0-9 and -; first and last a letter or digit',
)
/** The service answers 405 to every request about a group with another name, so such a name is refused here. */
const storeOrGroup = matching(
  /^[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]$/,
  '2 to 63 of a-z, 0-9, _ and -; first and last a letter or digit',
)

/** Where logs come from, with which credentials, and which of them are wanted. */
export const SERVICE_SETTINGS = {
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
    doc: 'Region of the project. If it is set, requests are signed with V4 (SHA-256) for this region; if not, with V1 (SHA-1 and MD5). V4 is recommended.',
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
} as const
