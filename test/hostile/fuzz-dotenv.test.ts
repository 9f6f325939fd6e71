import { test } from 'vitest'
import { FUZZING, fuzz } from './fuzz.ts'
import { dotenv } from './targets/dotenv.ts'

const SEEDS = [
  'SLS_AK_KEY=hush\nSPLUNK_HEC_TOKEN=hush\n',
  '# comment\nexport A=hush # why\nB="hush hush"\nC=\'hush\n hush\'\nD=`hush`\n\nE = hush\r\nF=\n',
  '\ufeffA=hush=hush\nB=\u0024{A}\nC="a\\nhush"\n',
  'A=hush\nA=hush2\n  B=hush  \n_=hush\n',
]
const WORDS = [
  '"',
  "'",
  '`',
  '=',
  '#',
  '\r',
  '\r\n',
  '\n',
  '\0',
  '\\',
  '${',
  'export ',
  '\ufeff',
  '\u2028',
  '__proto__=x',
  ' ',
]

test(
  'a .env: every line that is an assignment is taken as it stands, or the file is refused and nothing of it shown',
  FUZZING,
  async () => {
    await fuzz(
      dotenv,
      SEEDS.map((seed) => Buffer.from(seed)),
      WORDS,
    )
  },
)
