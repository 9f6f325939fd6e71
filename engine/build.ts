/**
 * Compiles the engines: `npm run build:wasm` puts each into a source file under src/, from where it is loaded without a
 * compiler, a file next to the code or a step of the build. A test says when that has been forgotten.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import asc from 'assemblyscript/asc'

/** Source under engine/, source file to be made from the repository's root, and the name of the constant in it. */
export const ENGINES = [
  { entry: 'index.ts', binary: 'src/pipeline/wasm/binary.ts', name: 'KERNEL' },
  { entry: 'deflate.ts', binary: 'src/sinks/gzip/binary.ts', name: 'DEFLATE' },
] as const
const OPTIONS = [
  ...['--optimizeLevel', '3', '--shrinkLevel', '0', '--converge', '--noAssert'],
  // No runtime and no heap: all memory is laid out by us, and given by the host, zeroed.
  ...['--runtime', 'stub', '--use', 'abort=', '--importMemory', '--zeroFilledMemory', '--noExportMemory'],
  ...['--enable', 'simd'],
]

/** The text of an engine's `binary` as it must be. */
export async function compiledSource({ entry, name }: (typeof ENGINES)[number]): Promise<string> {
  let binary: Uint8Array = new Uint8Array()
  const { error, stderr } = await asc.main([entry, '--outFile', 'engine.wasm', ...OPTIONS], {
    readFile: (name: string) => readSource(name),
    writeFile: (_name: string, contents: string | Uint8Array) => {
      binary = contents as Uint8Array
    },
    listFiles: () => [],
  })
  if (error) throw new Error(`${error.message}\n${stderr.toString()}`)
  return (
    '/** Made by `npm run build:wasm` from engine/; not to be edited. */\n' +
    `export const ${name} =\n  '${Buffer.from(binary).toString('base64')}'\n`
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

if (process.argv[1] === import.meta.filename) {
  for (const engine of ENGINES) {
    writeFileSync(join(import.meta.dirname, '..', engine.binary), await compiledSource(engine))
  }
}
