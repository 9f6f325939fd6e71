/** Names of the one source and the one sink that the environment alone configures. */
export const DEFAULT_SOURCE = 'default'
export const DEFAULT_SINK = 'splunk_hec'
