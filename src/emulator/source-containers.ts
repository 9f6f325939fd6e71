import type { Draw, MakeContents } from './draw.ts'

/** Facts about a container that the collector knows, beside its line. */
function container(
  draw: Draw,
  at: Date,
  names: { readonly image: string; readonly name: string; readonly pod: string },
) {
  return {
    _time_: inNanoseconds(draw, at),
    _source_: draw.pick(['stdout', 'stderr']),
    _image_name_: names.image,
    _container_name_: names.name,
    _container_ip_: draw.ip(),
    _pod_name_: names.pod,
    _pod_uid_: draw.uuid(),
    _namespace_: draw.pick(['default', 'shop', 'payments']),
  }
}

function inNanoseconds(draw: Draw, at: Date): string {
  return at.toISOString().replace('Z', `${String(draw.below(1_000_000)).padStart(6, '0')}Z`)
}

/** A line of a container: text, JSON, or nothing but blanks. */
export const dockerLine: MakeContents = (draw, at) => {
  const name = draw.pick(['web', 'orders', 'shell'])
  const content = draw.pick([
    `GET /api/orders/${draw.below(1000)} 200`,
    JSON.stringify({ level: draw.pick(['info', 'warn']), msg: 'order "paid" <ok>', code: draw.below(600) }),
    `root@${draw.hex(12)}:/tmp# ls -l`,
    String(draw.below(100)),
  ])
  const names = {
    image: `registry.example.com/${name}:1.${draw.below(9)}`,
    name,
    pod: `${name}-${draw.hex(10)}-${draw.hex(5)}`,
  }
  return { ...container(draw, at, names), content }
}

/** An alert on Falco's standard output. Fields that do not apply are `null`. */
export const falcoAlert: MakeContents = (draw, at) => {
  const [rule, priority, program] = draw.pick([
    ['The program "sudo" is run in a container', 'Error', 'sudo'],
    ['Unauthorized process on nginx containers', 'Warning', 'bash'],
    ['Terminal shell in container', 'Notice', 'sh'],
    ['Write below binary dir', 'Critical', 'cp'],
    ['Packet socket created in container', 'Informational', 'tcpdump'],
  ] as const)
  const id = draw.hex(12)
  const time = inNanoseconds(draw, at)
  const isOfHost = draw.fraction() < 0.2
  const alert = {
    hostname: `node-${draw.below(20)}`,
    output: `${time}: ${priority} ${rule} (user=root container=${id} command=${program} -c "id && ls <x>")`,
    output_fields: {
      'container.id': isOfHost ? 'host' : id,
      'container.image.repository': isOfHost ? null : 'docker.io/library/nginx',
      'evt.time': at.getTime() * 1_000_000,
      'k8s.ns.name': isOfHost ? null : 'default',
      'k8s.pod.name': isOfHost ? null : `web-${draw.hex(5)}`,
      'proc.cmdline': `${program} -c "id && ls <x>"`,
      'proc.name': program,
      'proc.pname': 'containerd-shim',
      'user.name': 'root',
    },
    priority,
    rule,
    source: 'syscall',
    tags: ['container', 'process'],
    time,
  }
  const names = { image: 'docker.io/falcosecurity/falco:0.39.1', name: 'falco', pod: `falco-${draw.hex(5)}` }
  return { ...container(draw, at, names), _source_: 'stdout', content: JSON.stringify(alert) }
}

/** A line of sysdig's default format, with the clock of UTC. */
export const sysdigLine: MakeContents = (draw, at) => {
  const clock = inNanoseconds(draw, at).slice(11, -1)
  const pid = 1 + draw.below(60_000)
  const [program, type, args] = draw.pick([
    ['kubelet', 'epoll_ctl', ''],
    ['sshd', 'write', `fd=3(<4t>${draw.foreignIp()}:${draw.port()}->${draw.ip()}:22) size=${draw.below(5000)}`],
    ['nginx', 'accept', `fd=13(<4t>172.17.0.1:${draw.port()}->172.17.0.2:80) tuple=172.17.0.1->172.17.0.2 queuepct=0`],
    ['tmux: server', 'openat', 'dirfd=-100(AT_FDCWD) name=/etc/hosts(/etc/hosts) flags=1(O_RDONLY) mode=0'],
  ] as const)
  const thread = draw.pick([String(pid), `${pid}.${pid + 1}`])
  return {
    content:
      `${1 + draw.below(10_000_000)} ${clock} ${draw.below(8)} ${program} (${thread}) ${draw.pick(['<', '>'])} ${type} ${args}`.trimEnd(),
  }
}
