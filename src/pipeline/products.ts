// What Log Service calls the logs of Alibaba Cloud's products, and what a SIEM calls them. Topics are from the products'
// documentation.

interface Product {
  /** A `*` at the end stands for the rest of a topic. */
  readonly topic: string
  /** The Splunk source type. A `*` at the end is what the topic's `*` stood for. */
  readonly sourcetype: string
}

/** The first one with the topic counts. */
export const PRODUCTS: readonly Product[] = [
  // ActionTrail's own delivery, and the copy of Log Audit.
  { topic: 'actiontrail_audit_event', sourcetype: 'aliyun:actiontrail' },
  { topic: 'actiontrail_event', sourcetype: 'aliyun:actiontrail' },
  { topic: 'waf_access_log', sourcetype: 'aliyun:waf' },
  { topic: 'slb_layer7_access_log', sourcetype: 'aliyun:slb' },
  { topic: 'alb_layer7_access_log', sourcetype: 'aliyun:alb' },
  { topic: 'oss_access_log', sourcetype: 'aliyun:oss' },
  { topic: 'oss_batch_delete_log', sourcetype: 'aliyun:oss' },
  { topic: 'cloudfirewall_access_log', sourcetype: 'aliyun:cloudfirewall' },
  { topic: 'cloudfirewall_vpc_log', sourcetype: 'aliyun:cloudfirewall' },
  { topic: 'ddoscoo_access_log', sourcetype: 'aliyun:ddos' },
  { topic: 'ddos_access_log', sourcetype: 'aliyun:ddos' },
  { topic: 'flow_log', sourcetype: 'aliyun:vpcflow' },
  { topic: 'rds_audit_log', sourcetype: 'aliyun:rds' },
  { topic: 'polardb_audit_log', sourcetype: 'aliyun:polardb' },
  // PolarDB-X adds instance and database: `drds_audit_log_<instance>_<db>`.
  { topic: 'drds_audit_log*', sourcetype: 'aliyun:polardbx' },
  // Security Center.
  { topic: 'aegis-log-*', sourcetype: 'aliyun:sas:*' },
  { topic: 'sas-*', sourcetype: 'aliyun:sas:*' },
]

/** Of every other topic. */
export const UNKNOWN_SOURCETYPE = 'aliyun:sls'

/** The source type for logs of a topic: `aliyun:sls` if the topic is empty or unknown. */
export function sourcetypeOf(topic: string): string {
  for (const product of PRODUCTS) {
    if (product.topic === topic) return product.sourcetype
    const start = product.topic.slice(0, -1)
    if (!product.topic.endsWith('*') || !topic.startsWith(start)) continue
    const sourcetype = product.sourcetype.replace('*', () => topic.slice(start.length))
    if (!sourcetype.endsWith(':')) return sourcetype
  }
  return UNKNOWN_SOURCETYPE
}
