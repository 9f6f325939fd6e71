/** Names of the one source, the one sink and the one route that the environment alone configures. */
export const DEFAULT_SOURCE = 'default'
export const DEFAULT_SINK = 'splunk_hec'
export const DEFAULT_SYSLOG_SINK = 'syslog'
export const DEFAULT_ROUTE = 'default'
