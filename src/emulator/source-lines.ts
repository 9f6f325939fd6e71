import type { Draw, MakeContents } from './draw.ts'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const AGENTS = ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36', 'curl/8.5.0', 'kube-probe/1.31']
const HOSTS = ['web-1', 'web-2', 'inception']

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}

function clock(at: Date): string {
  return at.toISOString().slice(11, 19)
}

/** `10/Oct/2000:13:55:36 +0000` */
function webTime(at: Date): string {
  const month = MONTHS[at.getUTCMonth()]
  return `${twoDigits(at.getUTCDate())}/${month}/${at.getUTCFullYear()}:${clock(at)} +0000`
}

/** `Jul  5 09:30:00`, in UTC. */
function syslogTime(at: Date): string {
  return `${MONTHS[at.getUTCMonth()]} ${String(at.getUTCDate()).padStart(2)} ${clock(at)}`
}

function request(draw: Draw): { method: string; uri: string; status: string; bytes: number } {
  const uri = draw.pick(['/', '/healthz', '/login', `/api/v2/orders/${draw.below(1_000_000)}?page=${draw.below(50)}`])
  return {
    ...{ method: draw.pick(['GET', 'GET', 'POST', 'PUT']), uri },
    ...{ status: draw.pick(['200', '200', '200', '304', '404', '502']), bytes: draw.below(60_000) },
  }
}

/** The fields that the collector makes of nginx's own format. */
export const nginxAccess: MakeContents = (draw, at) => {
  const { method, uri, status, bytes } = request(draw)
  return {
    remote_addr: draw.foreignIp(),
    remote_user: '-',
    time_local: webTime(at),
    request_method: method,
    request_uri: uri,
    request_length: String(200 + draw.below(900)),
    request_time: (draw.fraction() * 2).toFixed(3),
    status,
    body_bytes_sent: String(bytes),
    http_referer: '-',
    http_user_agent: draw.pick(AGENTS),
    upstream_addr: `${draw.ip()}:8080`,
    upstream_response_time: (draw.fraction() * 2).toFixed(3),
  }
}

/** A line of Apache's combined format. */
export const apacheLine: MakeContents = (draw, at) => {
  const { method, uri, status, bytes } = request(draw)
  const size = status === '304' ? '-' : bytes
  const agent = draw.pick([...AGENTS, 'a \\"quoted\\" agent'])
  const user = draw.pick(['-', '-', 'alice'])
  return {
    content: `${draw.foreignIp()} - ${user} [${webTime(at)}] "${method} ${uri} HTTP/1.1" ${status} ${size} "-" "${agent}"`,
  }
}

/** A line of RFC 3164 or, one in four, of RFC 5424. */
export const syslogLine: MakeContents = (draw, at) => {
  const host = draw.pick(HOSTS)
  const attacker = draw.foreignIp()
  const [program, message] = draw.pick([
    [
      'sshd',
      `pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=${attacker} user=root`,
    ],
    ['sshd', `Failed password for invalid user admin from ${attacker} port ${draw.port()} ssh2`],
    ['sudo', '   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id'],
    ['dhclient', `bound to ${draw.ip()} -- renewal in 1739 seconds.`],
    ['NetworkManager', '<info>  (eth0): DHCPv4 state changed bound -> renew'],
    ['CRON', '(root) CMD (/usr/lib/sysstat/debian-sa1 1 1)'],
  ] as const)
  const pid = 100 + draw.below(30_000)
  return {
    content:
      draw.fraction() < 0.25
        ? `<86>1 ${at.toISOString()} ${host} ${program} ${pid} - [origin@32473 ip="${draw.ip()}"] ${message.trimStart()}`
        : `${syslogTime(at)} ${host} ${program}[${pid}]: ${message.trimStart()}`,
  }
}

/** A packet that the kernel logs, as syslog writes it. */
export const iptablesLine: MakeContents = (draw, at) => {
  const isEgress = draw.fraction() < 0.5
  const mac = Array.from({ length: 12 }, () => draw.hex(2)).join(':')
  const container = `172.17.0.${2 + draw.below(200)}`
  const [from, to] = isEgress ? [container, draw.ip()] : [draw.foreignIp(), container]
  const words = [
    ...(isEgress ? ['IN=docker0', 'OUT=eth0', `PHYSIN=veth${draw.hex(7)}`] : ['IN=eth0', 'OUT=docker0']),
    ...[`MAC=${mac}:08:00`, `SRC=${from}`, `DST=${to}`, `LEN=${40 + draw.below(1400)}`, 'TOS=0x00', 'PREC=0x00'],
    ...[`TTL=${32 + draw.below(96)}`, `ID=${draw.below(65_536)}`, 'DF', 'PROTO=TCP', `SPT=${draw.port()}`],
    ...[`DPT=${draw.pick([22, 25, 443, 2222])}`, `WINDOW=${draw.below(65_536)}`, 'RES=0x00'],
    ...[...draw.pick([['SYN'], ['ACK'], ['ACK', 'PSH']]), 'URGP=0'],
  ]
  const uptime = `${8_000_000 + draw.below(1_000_000)}.${String(draw.below(1_000_000)).padStart(6, '0')}`
  return { content: `${syslogTime(at)} ${draw.pick(HOSTS)} kernel: [${uptime}] ${words.join(' ')}` }
}
