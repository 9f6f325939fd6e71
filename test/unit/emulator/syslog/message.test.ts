import { describe, expect, test } from 'vitest'
import { readMessage } from '../../../../src/emulator/syslog/message.ts'

const read = (text: string) => readMessage(Buffer.from(text))

describe('RFC 5424', () => {
  test('every field, escapes of structured data, and text with a line end', () => {
    const id = 'actiontrail:0:1447299606896632356:12'
    const message = read(
      `<110>1 2026-11-29T10:53:42.123456Z prod-audit sls 7 actiontrail [sls@32473 id="${id}" t="a\\"b\\\\c\\]d"][x@1 k=""] 张\nline2`,
    )
    expect(message).toEqual({
      ...{ header: 'rfc5424', facility: 13, severity: 6, time: '2026-11-29T10:53:42.123456Z', host: 'prod-audit' },
      ...{ appName: 'sls', procId: '7', msgId: 'actiontrail', text: '张\nline2' },
      structuredData: { 'sls@32473': { id, t: 'a"b\\c]d' }, 'x@1': { k: '' } },
    })
  })

  test('absent fields are absent', () => {
    expect(read('<14>1 - - - - - -')).toEqual({ header: 'rfc5424', facility: 1, severity: 6, text: '' })
    expect(read('<191>1 2026-11-29T10:53:42+08:00 h a - - - x')).toMatchObject({ host: 'h', appName: 'a', text: 'x' })
  })

  test.each([
    ['nine digits', '<14>1 2026-11-29T10:53:42.123456789Z h a - - - x', 'time is'],
    ['a zone without a colon', '<14>1 2026-11-29T10:53:42+0800 h a - - - x', 'time is'],
    ['a leap second', '<14>1 2026-11-29T10:53:60Z h a - - - x', 'time is'],
    ['an APP-NAME of 49 letters', `<14>1 - h ${'a'.repeat(49)} - - - x`, 'appName is'],
    ['a MSGID of 33 letters', `<14>1 - h a - ${'m'.repeat(33)} - x`, 'msgId is'],
    ['no structured data', '<14>1 - h a - - text', 'no structured data'],
    ['an SD-ID twice', '<14>1 - h a - - [x@1 a="1"][x@1 b="2"] x', 'x@1 twice'],
    ['an unknown escape', '<14>1 - h a - - [x@1 a="\\n"] x', 'no structured data'],
    ['text at once behind it', '<14>1 - h a - - -x', 'structured data is wrong'],
    ['an empty HOSTNAME', '<14>1 -  a - - - x', 'host is ""'],
  ])('%s is refused, and the problem is named', (_, text, problem) => {
    expect(read(text)).toEqual({ header: 'none', text, problem: expect.stringContaining(problem) })
  })
})

describe('RFC 3164', () => {
  test('has time, host, tag and process', () => {
    expect(read('<13>Nov  9 10:53:42 web-1 sshd[42]: Failed password')).toEqual({
      ...{ header: 'rfc3164', facility: 1, severity: 5, time: 'Nov  9 10:53:42', host: 'web-1' },
      ...{ appName: 'sshd', procId: '42', text: 'Failed password' },
    })
  })

  test.each(['CEF:0|Alibaba Cloud|ActionTrail|1|x|x|3|act=a: b', 'LEEF:1.0|V|P|1|E|src=1.1.1.1', '{"a":1}'])(
    'without a tag the text is whole: %s',
    (text) => {
      expect(read(`<14>Nov 29 10:53:42 prod ${text}`)).toMatchObject({ host: 'prod', text })
      expect(read(`<14>Nov 29 10:53:42 prod ${text}`)).not.toHaveProperty('appName')
    },
  )
})

test.each(['', 'text', '<192>1 - - - - - - x', '<014>1 - - - - - -', '<14>text', '<14>2026-11-29T10:53:42Z h a: x'])(
  'without a header it knows everything is text: %j',
  (text) => {
    expect(read(text)).toEqual({ header: 'none', text })
  },
)
