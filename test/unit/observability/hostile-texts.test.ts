import { expect, test } from 'vitest'
import { onOneLine } from '../../../src/core/text.ts'
import { observed } from './observed.ts'

test('a server that invents statuses and codes does not make the metrics grow without bound', async () => {
  const { telemetry, metrics } = await observed('fatal')
  const size = async (): Promise<number> => (await metrics.registry.metrics()).length
  const apis = ['PullLogs', 'ConsumerGroupHeartBeat', 'GetCursor']
  const answers = (from: number): void => {
    for (let n = from; n < from + 3_000; n++) {
      telemetry.slsRequest(apis[n % 3] as string, 100 + (n % 900), `Code${n}`, 0.1)
      telemetry.sinkRequest('splunk_hec', 100 + (n % 900), String(n % 29), 0.1)
      telemetry.deadLettered('splunk_hec', `reason ${n}`, 1)
    }
  }
  answers(0)
  const full = await size()
  expect(full).toBeLessThan(128 * 1024)
  answers(3_000)
  // The numbers get longer, but no lines are added.
  expect(await size()).toBeLessThan(full * 1.02)
})

test('answers beyond the limit count as other, and known ones as before', async () => {
  const { telemetry, samples } = await observed('fatal')
  telemetry.sinkRequest('splunk_hec', 200, '0', 0.1)
  for (let n = 0; n < 5_000; n++) telemetry.sinkRequest('splunk_hec', 100 + (n % 900), String(n % 29), 0.1)
  telemetry.sinkRequest('splunk_hec', 200, '0', 0.1)
  const counts = await samples('hec_requests_total')
  expect(counts['{status="200",code="0"}']).toBe(2)
  expect(counts['{status="other",code="other"}']).toBeGreaterThan(4_000)
})

test.each([
  ['line breaks and terminal escapes', 'a\r\nb\u001b[2J\u009b1mc', 'a b [2J 1mc'],
  ['other ends of lines', 'a\u2028b\u2029c\u0085d', 'a b c d'],
  ['what turns the text around', 'a\u202eb\u2066c', 'a b c'],
])('a line of a log has no %s in it', (_, text, line) => {
  expect(onOneLine(text)).toBe(line)
})
