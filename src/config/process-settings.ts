import { choice, listOf, matching, noProxyList, proxyUrl, seconds, size, text, wholeNumber } from './parsers.ts'
import { defaulting, optional } from './setting.ts'

export const FILE_SETTINGS = {
  BRIDGE_CONFIG: optional(text, {
    group: 'file',
    doc: 'A [configuration file](configuration-file.md), for several logstores, several sinks, and routes by content. With it, `SLS_…`, `FILTER_…` and `SPLUNK_HEC_…` that it does not quote are an error. `--config FILE` of a command counts more.',
    example: '/etc/sls-siem-bridge/bridge.yaml',
  }),
} as const

/** The process itself, which the environment alone configures. */
export const PROCESS_SETTINGS = {
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
} as const
