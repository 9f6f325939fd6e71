import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readEnvironment } from '../../../src/config/environment.ts'
import { temporaryFiles } from './given-environment.ts'

function withDotEnv(content: string, processEnv: Record<string, string> = {}) {
  const { directory, write } = temporaryFiles()
  write('.env', content)
  return readEnvironment(processEnv, directory)
}

test('without a .env the environment is that of the process', () => {
  const { directory } = temporaryFiles()
  const origin = `there is no ${directory}/.env: the environment alone counts`
  expect(readEnvironment({ A: '1' }, directory)).toEqual({
    env: { A: '1' },
    problems: [],
    warnings: [],
    inFile: [],
    origin,
  })
})

test('a .env adds what the process does not have', () => {
  const { env, problems } = withDotEnv('A=file\nB="two words" # why\nexport C=3\n\n# comment\nD=\'x\ny\'\r\n', {
    A: 'process',
  })
  expect(problems).toEqual([])
  expect(env).toEqual({ A: 'process', B: 'two words', C: '3', D: 'x\ny' })
})

test.each(['A= \nB=hush', 'A=\t\nB=hush\n', 'A= \r\nB=hush\r\n', 'A=  \n\nB=hush'])(
  'a value of blanks alone is empty, and takes no other line: %j',
  (content) => {
    expect(withDotEnv(content).env).toEqual({ A: '', B: 'hush' })
  },
)

test('a .env that was written on Windows says the same, in each kind of quotes', () => {
  const lines = ['# comment', 'A=1', 'export B=two', 'C="two words"', "D='x'", 'E=`y`', '', 'F=', 'G=a # why']
  const { env, problems } = withDotEnv(lines.join('\n'))
  expect(problems).toEqual([])
  expect(withDotEnv(`${lines.join('\r\n')}\r\n`)).toMatchObject({ env, problems: [], inFile: Object.keys(env) })
  expect(env).toEqual({ A: '1', B: 'two', C: 'two words', D: 'x', E: 'y', F: '', G: 'a' })
})

test('says where settings come from, and which the process overrides, without a value', () => {
  const content = 'A=1\nB=hush\nC=3\nSLS_AK_KEY=hush\n'
  expect(withDotEnv(content, { D: '1', B: 'hush' }).origin).toMatch(/^\/\S+\/\.env, and the environment$/)
  const { origin } = withDotEnv(content, { A: '2', B: '', C: '3', SLS_AK_KEY_FILE: '/run/key' })
  expect(origin).toMatch(/\.env, and the environment, which overrides A, B, SLS_AK_KEY$/)
})

test('an empty variable of the process switches off the one in the file', () => {
  expect(withDotEnv('SLS_REGION=cn-hangzhou', { SLS_REGION: '' }).env['SLS_REGION']).toBe('')
})

test('NAME and NAME_FILE hide each other across the two sources', () => {
  expect(withDotEnv('SLS_AK_KEY=file', { SLS_AK_KEY_FILE: '/run/key' }).env).toEqual({ SLS_AK_KEY_FILE: '/run/key' })
  expect(withDotEnv('SLS_AK_KEY_FILE=/file', { SLS_AK_KEY: 'key' }).env).toEqual({ SLS_AK_KEY: 'key' })
})

test.each([
  ['LOG_FILE', 'LOG'],
  ['ALIBABA_CLOUD_CREDENTIALS_FILE', 'ALIBABA_CLOUD_CREDENTIALS'],
  ['SPLUNK_HEC_TLS_CA_FILE', 'SPLUNK_HEC_TLS_CA'],
])('a variable whose own name is %s is not hidden by a %s that is another thing', (name, other) => {
  expect(withDotEnv(`${name}=/path`, { [other]: 'x' }).env).toEqual({ [name]: '/path', [other]: 'x' })
  expect(withDotEnv(`${name}=/path`, { [`${name}_FILE`]: '/run/name' }).env).toEqual({ [`${name}_FILE`]: '/run/name' })
  expect(withDotEnv(`${name}_FILE=/run/name`, { [name]: '/path' }).env).toEqual({ [name]: '/path' })
})

test('a name that stands twice is told with its lines, and the last one counts', () => {
  const { env, warnings } = withDotEnv('A=1\nB="x\nA=no name in quotes\n"\n# A=3\nexport A=2\nC=1\nB=y\n')
  expect(env['A']).toBe('2')
  expect(warnings).toEqual([
    'A stands in .env more than once, on lines 1, 6: the last one counts',
    'B stands in .env more than once, on lines 2, 8: the last one counts',
  ])
})

test('a byte order mark is not part of the first name', () => {
  expect(withDotEnv('\uFEFFA=1').env).toEqual({ A: '1' })
})

describe('a malformed .env is a problem that names the line and shows none of it', () => {
  test.each([
    ['a line without =', 'A=1\nhush hush\n', '2'],
    ['a name that is none', 'A=1\n\nmy-hush = 1', '3'],
    ['lines without =', `A=1\n${'hush hush\n'.repeat(12)}`, 's 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more'],
    ['a quote never closed', 'A=1\nB="hush\nC=3\n', '2'],
  ])('%s', (_, content, line) => {
    const { problems } = withDotEnv(content)
    expect(problems).toHaveLength(1)
    expect(problems[0]?.variable).toMatch(/\.env$/)
    expect(problems[0]?.problem.replace(/^lines/, 'line s')).toContain(`line ${line}`)
    expect(JSON.stringify(problems)).not.toContain('hush')
  })

  test('a .env that was saved as UTF-16', () => {
    const { directory, write } = temporaryFiles()
    write('.env', Buffer.from('A=1\nB=2\n', 'utf16le').toString('latin1'))
    expect(readEnvironment({}, directory).problems.map(({ problem }) => problem)).toEqual([
      'is no text in UTF-8 (was it saved as UTF-16?)',
    ])
  })

  test('a .env that cannot be read', () => {
    const { directory } = temporaryFiles()
    mkdirSync(join(directory, '.env'))
    expect(readEnvironment({}, directory).problems).toHaveLength(1)
  })

  test('a .env that is a FIFO, from which reading would wait', () => {
    const { directory } = temporaryFiles()
    execFileSync('mkfifo', [join(directory, '.env')])
    expect(readEnvironment({}, directory).problems[0]?.problem).toContain('FIFO')
  })
})
