import type { Draw, MakeContents } from './draw.ts'

const REGIONS = ['cn-hangzhou', 'cn-shanghai', 'ap-southeast-1']
const USERS = ['alice', 'bob', 'ci-deployer', '运维-张伟']

/** Without milliseconds, as ActionTrail writes times. */
function inSeconds(at: Date): string {
  return at.toISOString().replace(/\.\d+Z$/, 'Z')
}

function accountOf(draw: Draw): string {
  return String(1_000_000_000_000_000 + draw.below(1_000_000))
}

function absentWithout<T>(value: T | undefined, key: string): Record<string, T> {
  return value === undefined ? {} : { [key]: value }
}

/** One content `event`, as a trail writes it into a logstore. */
export const actionTrail: MakeContents = (draw, at) => {
  const [service, name, rw, type, parameter] = draw.pick([
    ['Ecs', 'StopInstance', 'Write', 'ACS::ECS::Instance', 'InstanceId'],
    ['Ram', 'CreateAccessKey', 'Write', 'ACS::RAM::User', 'UserName'],
    ['Oss', 'PutBucketAcl', 'Write', 'ACS::OSS::Bucket', 'bucketName'],
    ['Rds', 'DescribeDBInstanceAttribute', 'Read', 'ACS::RDS::DBInstance', 'DBInstanceId'],
    ['AasCustomer', 'ConsoleSignin', 'Write', undefined, ''],
  ] as const)
  const region = draw.pick(REGIONS)
  const isSignIn = name === 'ConsoleSignin'
  const account = accountOf(draw)
  const user = draw.pick(USERS)
  const isRoot = draw.fraction() < 0.1
  const denied = draw.fraction() < 0.1
  const resource = type === undefined ? undefined : `${service.toLowerCase()}-${draw.hex(16)}`
  const event = {
    eventId: draw.uuid(),
    eventVersion: '1',
    eventCategory: 'Management',
    eventName: name,
    eventSource: isSignIn ? 'https://signin.aliyun.com/login.htm' : `${service.toLowerCase()}.${region}.aliyuncs.com`,
    eventTime: inSeconds(at),
    eventType: isSignIn ? 'ConsoleSignin' : draw.pick(['ApiCall', 'ConsoleOperation']),
    eventRW: rw,
    acsRegion: region,
    recipientAccountId: account,
    serviceName: service,
    sourceIpAddress: draw.foreignIp(),
    userAgent: draw.pick(['aliyun-cli/3.0.210', 'AlibabaCloud (Linux; amd64) Terraform/1.9', 'Mozilla/5.0']),
    requestId: draw.uuid().toUpperCase(),
    apiVersion: '2014-05-26',
    ...(denied && { errorCode: 'NoPermission', errorMessage: 'You are not authorized to do this operation.' }),
    ...(resource !== undefined && {
      requestParameters: { RegionId: region, [parameter]: resource, 'Tag.1.Key': 'env' },
      requestParameterJson: JSON.stringify({ RegionId: region, [parameter]: resource, 'Tag.1.Key': 'env' }),
      responseElements: { RequestId: draw.uuid().toUpperCase() },
      referencedResources: { [type as string]: [resource] },
      resourceName: resource,
      resourceType: type,
    }),
    ...(isSignIn && {
      additionalEventData: { isMFAChecked: draw.pick(['true', 'false']), loginAccount: `${user}@${account}` },
    }),
    isGlobal: isSignIn,
    userIdentity: {
      type: isRoot ? 'root-account' : 'ram-user',
      accountId: account,
      principalId: isRoot ? account : String(200_000_000_000_000_000n + BigInt(draw.below(1_000_000))),
      userName: isRoot ? 'root' : user,
      accessKeyId: `LTAI${draw.hex(20).toUpperCase()}`,
      sessionContext: { attributes: { mfaAuthenticated: 'false', creationDate: inSeconds(at) } },
    },
  }
  return { event: JSON.stringify(event) }
}

/** One content `event`: an event of `audit.k8s.io/v1` with the bodies of its level. */
export const kubernetesAudit: MakeContents = (draw, at) => {
  const [resource, verb, group] = draw.pick([
    ['pods', 'create', ''],
    ['pods', 'get', ''],
    ['secrets', 'get', ''],
    ['secrets', 'list', ''],
    ['configmaps', 'update', ''],
    ['services', 'watch', ''],
    ['nodes', 'get', ''],
    ['clusterroles', 'patch', 'rbac.authorization.k8s.io'],
    ['deployments', 'delete', 'apps'],
  ] as const)
  const namespace = ['nodes', 'clusterroles'].includes(resource)
    ? undefined
    : draw.pick(['default', 'kube-system', 'payments'])
  const name = verb === 'list' || verb === 'watch' ? undefined : `api-${draw.hex(10)}-${draw.hex(5)}`
  const user = userFor(draw, resource)
  const writes = verb === 'create' || verb === 'update' || verb === 'patch'
  const level = resource === 'secrets' ? 'Metadata' : writes ? 'RequestResponse' : 'Request'
  const body = bodyOf(draw, { kind: resource, name, namespace })
  const path = [
    ...(group === '' ? ['/api/v1'] : [`/apis/${group}/v1`]),
    ...(namespace === undefined ? [] : ['namespaces', namespace]),
    ...[resource, name ?? []].flat(),
  ].join('/')
  const allowed = draw.fraction() < 0.95
  const event = {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level,
    auditID: draw.uuid(),
    stage: verb === 'watch' ? 'ResponseStarted' : 'ResponseComplete',
    requestURI: verb === 'watch' ? `${path}?watch=true&timeoutSeconds=431` : path,
    verb,
    user,
    sourceIPs: [draw.ip()],
    userAgent: draw.pick(['kubectl/v1.31.1 (linux/amd64) kubernetes/948afe5', 'kube-proxy/v1.31.1 (linux/amd64)']),
    objectRef: {
      resource,
      ...absentWithout(namespace, 'namespace'),
      ...absentWithout(name, 'name'),
      ...(group !== '' && { apiGroup: group }),
      apiVersion: 'v1',
    },
    responseStatus: allowed ? { metadata: {}, code: verb === 'create' ? 201 : 200 } : { status: 'Failure', code: 403 },
    ...(level !== 'Metadata' && writes && { requestObject: body }),
    ...(level === 'RequestResponse' && { responseObject: body }),
    requestReceivedTimestamp: inMicroseconds(draw, at),
    stageTimestamp: inMicroseconds(draw, at),
    annotations: {
      'authorization.k8s.io/decision': allowed ? 'allow' : 'forbid',
      'authorization.k8s.io/reason': allowed ? 'RBAC: allowed by ClusterRoleBinding "admin"' : '',
    },
  }
  // kube-apiserver escapes what HTML would read.
  const text = JSON.stringify(event).replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)
  return { event: text }
}

function userFor(draw: Draw, resource: string): object {
  if (resource === 'services') return { username: 'system:kube-proxy', groups: ['system:authenticated'] }
  if (resource === 'nodes') return { username: `system:node:node-${draw.below(20)}`, groups: ['system:nodes'] }
  return {
    username: draw.pick(USERS),
    uid: draw.uuid(),
    groups: ['ops', 'system:authenticated'],
    extra: { accessKeyId: [`LTAI${draw.hex(20).toUpperCase()}`] },
  }
}

function bodyOf(
  draw: Draw,
  { kind, ...names }: { kind: string; name: string | undefined; namespace: string | undefined },
) {
  return {
    kind,
    apiVersion: 'v1',
    metadata: { ...names, uid: draw.uuid(), managedFields: [{ manager: 'kubectl', operation: 'Update' }] },
    spec: {
      containers: [
        { name: 'api', image: `registry.example.com/api@sha256:${draw.hex(64)}`, args: ['sh', '-c', 'exec "$0" 2>&1'] },
      ],
    },
  }
}

function inMicroseconds(draw: Draw, at: Date): string {
  return at.toISOString().replace('Z', `${String(draw.below(1000)).padStart(3, '0')}Z`)
}

/** Version 3.0. `final_action` and the fields of a module are there where a module matched. */
export const waf: MakeContents = (draw, at) => {
  const host = draw.pick(['shop.example.com', 'www.example.com'])
  const client = draw.foreignIp()
  const upstream = draw.ip()
  const attack = draw.fraction() < 0.3 ? draw.pick(['sqli', 'xss', 'rce']) : undefined
  const action = draw.pick(['block', 'js'])
  const rule = String(100_000 + draw.below(1000))
  const path = draw.pick(['/', '/login', '/api/orders'])
  return {
    body_bytes_sent: String(draw.below(60_000)),
    content_type: 'application/x-www-form-urlencoded',
    host,
    http_cookie: `session=${draw.hex(16)}`,
    http_referer: '-',
    http_user_agent: draw.pick(['Mozilla/5.0 (X11; Linux x86_64)', 'sqlmap/1.8', 'curl/8.5.0']),
    http_x_forwarded_for: '-',
    https: 'on',
    matched_host: host,
    querystring: attack === 'sqli' ? "id=1' or '1'='1" : attack === undefined ? '-' : 'q=<script>alert(1)</script>',
    real_client_ip: client,
    region: 'cn',
    remote_addr: client,
    remote_port: String(draw.port()),
    request_length: String(200 + draw.below(900)),
    request_method: draw.pick(['GET', 'POST']),
    request_path: path,
    request_time_msec: String(draw.below(900)),
    request_traceid: draw.hex(32),
    server_protocol: 'HTTP/1.1',
    ssl_cipher: 'ECDHE-RSA-AES128-GCM-SHA256',
    ssl_protocol: 'TLSv1.2',
    status: attack === undefined ? draw.pick(['200', '200', '404']) : '405',
    time: at.toISOString().replace(/\.\d+Z$/, '+00:00'),
    ua_browser: 'chrome',
    ua_os: 'linux',
    upstream_addr: `${upstream}:443`,
    upstream_ip: upstream,
    upstream_response_time: (draw.fraction() * 2).toFixed(3),
    upstream_status: '200',
    user_id: accountOf(draw),
    ...(attack !== undefined && {
      final_action: action,
      final_plugin: 'waf',
      final_rule_id: rule,
      final_rule_type: attack,
      waf_action: action,
      waf_rule_id: rule,
      waf_rule_type: attack,
      waf_test: 'false',
    }),
  }
}

/** The names have dashes. A minute without packets has `-` for what it does not have. */
export const vpcFlow: MakeContents = (draw, at) => {
  const end = Math.floor(at.getTime() / 1000)
  const isEmpty = draw.fraction() < 0.05
  const known = (value: string | number): string => (isEmpty ? '-' : String(value))
  return {
    version: '1',
    'vswitch-id': `vsw-${draw.hex(20)}`,
    'vm-id': `i-${draw.hex(20)}`,
    'vpc-id': `vpc-${draw.hex(20)}`,
    'account-id': accountOf(draw),
    'eni-id': `eni-${draw.hex(20)}`,
    region: draw.pick(REGIONS),
    srcaddr: known(draw.foreignIp()),
    srcport: known(draw.port()),
    dstaddr: known(draw.ip()),
    dstport: known(draw.pick([22, 443, 2222, 3389])),
    protocol: known(draw.pick([6, 6, 17])),
    direction: draw.pick(['in', 'out']),
    packets: known(1 + draw.below(500)),
    bytes: known(60 + draw.below(60_000)),
    start: String(end - 60),
    end: String(end),
    'log-status': isEmpty ? 'NODATA' : 'OK',
    action: known(draw.pick(['ACCEPT', 'ACCEPT', 'REJECT'])),
    'tcp-flags': known(draw.pick([2, 18, 19])),
    traffic_path: '-',
    srctype: '-',
    dsttype: '-',
  }
}
