import { expect, test } from 'vitest'
import { PRODUCTS, sourcetypeOf } from '../../../src/pipeline/products.ts'

test.each([
  ['actiontrail_audit_event', 'aliyun:actiontrail'],
  ['actiontrail_event', 'aliyun:actiontrail'],
  ['waf_access_log', 'aliyun:waf'],
  ['slb_layer7_access_log', 'aliyun:slb'],
  ['alb_layer7_access_log', 'aliyun:alb'],
  ['oss_access_log', 'aliyun:oss'],
  ['cloudfirewall_access_log', 'aliyun:cloudfirewall'],
  ['flow_log', 'aliyun:vpcflow'],
  ['rds_audit_log', 'aliyun:rds'],
  ['polardb_audit_log', 'aliyun:polardb'],
  ['drds_audit_log', 'aliyun:polardbx'],
  ['drds_audit_log_drdsabc_orders', 'aliyun:polardbx'],
  ['aegis-log-login', 'aliyun:sas:login'],
  ['aegis-log-dns-query', 'aliyun:sas:dns-query'],
  ['sas-security-log', 'aliyun:sas:security-log'],
  ['sas-$&', 'aliyun:sas:$&'],
  ['', 'aliyun:sls'],
  ['sas-', 'aliyun:sls'],
  ['sas', 'aliyun:sls'],
  ['audit_log', 'aliyun:sls'],
  ['Actiontrail_event', 'aliyun:sls'],
  ['actiontrail_event2', 'aliyun:sls'],
  ['toString', 'aliyun:sls'],
])('topic %j has the source type %s', (topic, sourcetype) => expect(sourcetypeOf(topic)).toBe(sourcetype))

test('no topic stands twice', () => {
  const topics = PRODUCTS.map(({ topic }) => topic)
  expect(new Set(topics).size).toBe(topics.length)
})
