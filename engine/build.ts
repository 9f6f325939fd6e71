/**
 * Compiles the engine: `npm run build:wasm` puts it into src/pipeline/wasm/binary.ts, from where it is loaded without a
 * compiler, a file next to the code or a step of the build. A test says when that has been forgotten.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import asc from 'assemblyscript/asc'

const BINARY = join(import.meta.dirname, '../src/pipeline/wasm/binary.ts')
const OPTIONS = [
  ...['--optimizeLevel', '3', '--shrinkLevel', '0', '--converge', '--noAssert'],
  // No runtime and no heap: all memory is laid out by us, and given by the host, zeroed.
  ...['--runtime', 'stub', '--use', 'abort=', '--importMemory', '--zeroFilledMemory', '--noExportMemory'],
  ...['--enable', 'simd'],
]

/** The text of src/pipeline/wasm/binary.ts as it must be. */
export async function compiledSource(): Promise<string> {
  let binary: Uint8Array = new Uint8Array()
  const { error, stderr } = await asc.main(['index.ts', '--outFile', 'kernel.wasm', ...OPTIONS], {
    readFile: (name: string) => readSource(name),
    writeFile: (_name: string, contents: string | Uint8Array) => {
      binary = contents as Uint8Array
    },
    listFiles: () => [],
  })
  if (error) throw new Error(`${error.message}\n${stderr.toString()}`)
  return (
    '/** Made by `npm run build:wasm` from engine/; not to be edited. */\n' +
    `export const KERNEL =\n  '${Buffer.from(binary).toString('base64')}'\n`
  )
}

/** The compiler puts an ending of its own behind the one that our imports have. */
function readSource(name: string): string | null {
  try {
    return readFileSync(join(import.meta.dirname, name.replace(/\.ts\.ts$/, '.ts')), 'utf8')
  } catch {
    return null
  }
}

if (process.argv[1] === import.meta.filename) writeFileSync(BINARY, await compiledSource())
