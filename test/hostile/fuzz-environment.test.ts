import fc from 'fast-check'
import { test } from 'vitest'
import type { SettingName } from '../../src/config/settings.ts'
import { SETTING_NAMES, SETTINGS } from '../../src/config/settings.ts'
import { selfSigned } from '../unit/emulator/hec/certificate.ts'
import { FUZZING, fuzzGenerated } from './fuzz.ts'
import { environment, FOLDER, SECRET } from './targets/environment.ts'

const pem = selfSigned('x')

const secretTexts = fc.constantFrom(
  ...[
    SECRET,
    `${SECRET} `,
    `"${SECRET}"`,
    `${SECRET}\n`,
    `Splunk ${SECRET}`,
    `x${SECRET}ü`,
    `${SECRET}\0`,
    `${SECRET}\u2028`,
  ],
)
/** Where people put a secret that belongs elsewhere. */
const misplaced = fc.constantFrom(
  ...[`https://admin:${SECRET}@splunk:8088`, `admin:${SECRET}@host`, `https://splunk:8088?token=${SECRET}`],
  ...[`https://splunk:8088/#${SECRET}`, `https://a:8088,https://b:${SECRET}@c`, `ftp://u:${SECRET}@h/`],
  `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----`,
)
const odd = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 40 }),
  fc.constantFrom(
    ...[
      '',
      ' ',
      '\n',
      '0',
      '-1',
      '1e3',
      '0x10',
      '1_000',
      '９',
      'NaN',
      'Infinity',
      'true',
      'TRUE',
      'null',
      '[]',
      '\ufeff1',
    ],
    ...['\ud800', '\u001b[2J', 'a\r\nb', '..', '/', '/dev/null', '/etc', FOLDER, `${FOLDER}/f`, `${FOLDER}/none`],
    ...[
      '9'.repeat(400),
      'x'.repeat(100_000),
      `https://x/${'/'.repeat(20_000)}y`,
      'http://',
      'https://[::1',
      'http://a b',
    ],
    ...['2026-02-30', '2026-01-01T00:00:00+99:99', '1969-12-31', 'begin', 'end', '-----BEGIN CERTIFICATE-----'],
  ),
)

type Pairs = Array<[name: string, value: string]>

/** Of one setting: a good value, an odd one, one of another kind; given directly or through a file. */
function setting(name: SettingName): fc.Arbitrary<Pairs> {
  const { example, default: fallback } = SETTINGS[name]
  const secret = 'secret' in SETTINGS[name]
  const value = secret
    ? fc.oneof(secretTexts, misplaced)
    : fc.oneof({ weight: 8, arbitrary: fc.constantFrom(example, fallback ?? example) }, odd, misplaced)
  const path = secret ? fc.oneof(fc.constantFrom(`${FOLDER}/secret`, FOLDER), secretTexts) : fc.oneof(odd, misplaced)
  return fc.oneof(
    { weight: 6, arbitrary: value.map((text): Pairs => [[name, text]]) },
    { weight: 2, arbitrary: path.map((text): Pairs => [[`${name}_FILE`, text]]) },
    { weight: 1, arbitrary: fc.constant<Pairs>([]) },
    {
      weight: 1,
      arbitrary: fc.tuple(value, path).map(
        ([text, file]): Pairs => [
          [name, text],
          [`${name}_FILE`, file],
        ],
      ),
    },
  )
}

const foreign = fc.tuple(
  fc.oneof(
    fc.constantFrom(...['SLS_AK', 'SLS_', 'SPLUNK_HEC_TOKE', 'FILTER_', 'SLS_START_TIME', '__proto__', 'constructor']),
    fc.string({ maxLength: 20 }).map((text) => `SLS_${text.replaceAll('=', '').replaceAll('\0', '')}`),
    fc.constant(`SPLUNK_HEC_${'X'.repeat(500)}`),
  ),
  secretTexts,
)

const environments = fc
  .tuple(fc.tuple(...SETTING_NAMES.map(setting)), fc.array(foreign, { maxLength: 3 }), odd)
  .map(([settings, others, content]) => {
    const files = { secret: `${SECRET}\n`, f: content, pem: pem.cert, key: pem.key }
    return Buffer.from(JSON.stringify({ env: Object.fromEntries([...settings.flat(), ...others]), files }))
  })

test('any environment: a configuration or a list of problems, and no secret in either', FUZZING, async () => {
  await fuzzGenerated(environment, environments)
})
