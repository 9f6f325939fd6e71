import { describe, expect, test } from 'vitest'
import { parseIptables } from '../../../../src/pipeline/lines/iptables.ts'
import { parseSyslog, parseSyslog3164, parseSyslog5424 } from '../../../../src/pipeline/lines/syslog.ts'

const object = (fields: ReadonlyMap<string, string> | undefined) => fields && Object.fromEntries(fields)

describe('syslog_3164', () => {
  test.each<[string, object]>([
    [
      'May 11 11:32:40 scrooge SG_child[1829]: [ID 748625 user.info] m:WR-SG-BLOCK-111-00 c:Y [ rid:T6 ip:172.18.61.2 ]',
      {
        ...{ timestamp: 'May 11 11:32:40', host: 'scrooge', program: 'SG_child', pid: '1829' },
        message: '[ID 748625 user.info] m:WR-SG-BLOCK-111-00 c:Y [ rid:T6 ip:172.18.61.2 ]',
      },
    ],
    [
      '<38>Jul  5 09:30:00 web-1 sshd[42]: Failed password for root from 203.0.113.9',
      {
        ...{ priority: '38', timestamp: 'Jul  5 09:30:00', host: 'web-1', program: 'sshd', pid: '42' },
        message: 'Failed password for root from 203.0.113.9',
      },
    ],
    [
      'Jun 1 20:15:36 inception kernel: [8415191.429757] IN=docker0',
      { timestamp: 'Jun 1 20:15:36', host: 'inception', program: 'kernel', message: '[8415191.429757] IN=docker0' },
    ],
    [
      'Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; rhost=218.188.2.4',
      {
        ...{ timestamp: 'Jun 14 15:16:01', host: 'combo', program: 'sshd(pam_unix)', pid: '19939' },
        message: 'authentication failure; rhost=218.188.2.4',
      },
    ],
    [
      '2026-07-15T10:00:00.123456+08:00 web-1 postfix/smtpd[7]: connect',
      {
        ...{ timestamp: '2026-07-15T10:00:00.123456+08:00', host: 'web-1', program: 'postfix/smtpd', pid: '7' },
        message: 'connect',
      },
    ],
    ['Jul  5 09:30:00 h -- MARK --', { timestamp: 'Jul  5 09:30:00', host: 'h', message: '-- MARK --' }],
    ['Jul  5 09:30:00 h a:b: c: d', { timestamp: 'Jul  5 09:30:00', host: 'h', program: 'a:b', message: 'c: d' }],
    ['Jul  5 09:30:00 h cron:', { timestamp: 'Jul  5 09:30:00', host: 'h', program: 'cron', message: '' }],
    ['Jul  5 09:30:00 h', { timestamp: 'Jul  5 09:30:00', host: 'h', message: '' }],
  ])('%s', (line, expected) => expect(object(parseSyslog3164(line))).toEqual(expected))

  test.each([
    '',
    'hello',
    '<192>Jul  5 09:30:00 h x: y',
    '<a>Jul  5 09:30:00 h x: y',
    'Jul  5 09:30 h x: y',
    'Jul  5 09:30:00 ',
    '09:30:00 h x: y',
  ])('%j is none', (line) => expect(parseSyslog3164(line)).toBe(undefined))
})

describe('syslog_5424', () => {
  test.each<[string, object]>([
    [
      '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application"][examplePriority@32473 class="high"] \ufeffAn application event',
      {
        ...{
          priority: '165',
          timestamp: '2003-10-11T22:14:15.003Z',
          host: 'mymachine.example.com',
          program: 'evntslog',
        },
        ...{ msgid: 'ID47', 'sd.exampleSDID@32473.iut': '3', 'sd.exampleSDID@32473.eventSource': 'Application' },
        ...{ 'sd.examplePriority@32473.class': 'high', message: 'An application event' },
      },
    ],
    ['<34>1 - - - - - -', { priority: '34', message: '' }],
    ['<34>1 - h p 8 - - message', { priority: '34', host: 'h', program: 'p', pid: '8', message: 'message' }],
    ['<34>1 - - - - - [a b="x\\"y\\\\z\\]\\n"]', { priority: '34', 'sd.a.b': 'x"y\\z]\\n', message: '' }],
    ['<34>1 - - - - - [a] m', { priority: '34', message: 'm' }],
  ])('%s', (line, expected) => expect(object(parseSyslog5424(line))).toEqual(expected))

  test.each([
    '',
    '<34>1',
    '<34>2 - - - - - -',
    '<34>1 - - - - -',
    '<34>1 - - - - - x',
    '<34>1 - - - - - [a b=c]',
    '<34>1 - - - - - [a b="c',
    '<999>1 - - - - - -',
    '<34>1 - - - - - -x',
  ])('%j is none', (line) => expect(parseSyslog5424(line)).toBe(undefined))
})

test('syslog is either, by the version behind the priority', () => {
  expect(object(parseSyslog('<34>1 - h - - - - m'))).toEqual({ priority: '34', host: 'h', message: 'm' })
  expect(object(parseSyslog('<34>Jul  5 09:30:00 h p: m'))).toMatchObject({ program: 'p', message: 'm' })
})

describe('iptables', () => {
  test('a packet from a container', () => {
    const line =
      '[8415191.429757] IN=docker0 OUT=eth0 PHYSIN=veth2ad35f6 MAC=02:42:c6:a7:b3:f2:02:42:ac:11:00:04:08:00 SRC=172.17.0.4 DST=172.16.0.10 LEN=52 TOS=0x00 PREC=0x00 TTL=63 ID=15759 DF PROTO=TCP SPT=41017 DPT=25 WINDOW=229 RES=0x00 ACK URGP=0 '
    expect(object(parseIptables(line))).toEqual({
      ...{ IN: 'docker0', OUT: 'eth0', PHYSIN: 'veth2ad35f6', MAC: '02:42:c6:a7:b3:f2:02:42:ac:11:00:04:08:00' },
      ...{
        SRC: '172.17.0.4',
        DST: '172.16.0.10',
        LEN: '52',
        TOS: '0x00',
        PREC: '0x00',
        TTL: '63',
        ID: '15759',
        DF: 'true',
      },
      ...{ PROTO: 'TCP', SPT: '41017', DPT: '25', WINDOW: '229', RES: '0x00', ACK: 'true', URGP: '0' },
    })
  })

  test.each<[string, object]>([
    ['IN=eth0 OUT= ACK PSH', { IN: 'eth0', OUT: '', ACK: 'true', PSH: 'true' }],
    [
      '[ 12.5] DROP: IN=eth0 OUT= LEN=76 PROTO=UDP LEN=56',
      { prefix: 'DROP:', IN: 'eth0', OUT: '', LEN: '76', PROTO: 'UDP', LEN_2: '56' },
    ],
    [
      'IN= OUT=lo PROTO=ICMP TYPE=3 [SRC=127.0.0.1 DST=127.0.0.1 LEN=60 ] MARK=0x1',
      { IN: '', OUT: 'lo', PROTO: 'ICMP', TYPE: '3', INNER: 'SRC=127.0.0.1 DST=127.0.0.1 LEN=60 ', MARK: '0x1' },
    ],
    ['IN=a OUT=b OPT (020405B4) ACK', { IN: 'a', OUT: 'b', OPT: '020405B4', ACK: 'true' }],
    ['IN=a OUT=b [cut', { IN: 'a', OUT: 'b', INNER: 'cut' }],
  ])('%s', (line, expected) => expect(object(parseIptables(line))).toEqual(expected))

  test.each(['', 'IN=eth0', 'OUT=eth0', 'device eth0 left promiscuous mode', 'XIN=1 OUT=2'])('%j is none', (line) =>
    expect(parseIptables(line)).toBe(undefined),
  )
})
