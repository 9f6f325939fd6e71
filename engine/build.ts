/**
 * Compiles the engines. `npm run build:wasm` writes each binary into a source file under src/, so that a program needs no
 * compiler and no other file to load it. A test fails when a binary is older than its source.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import asc from 'assemblyscript/asc'

/** Source under engine/, file to write from the repository's root, and the name of the constant in it. */
export const ENGINES = [
  { entry: 'index.ts', binary: 'src/pipeline/wasm/binary.ts', name: 'KERNEL' },
  { entry: 'deflate.ts', binary: 'src/sinks/gzip/binary.ts', name: 'DEFLATE' },
  { entry: 'syslog.ts', binary: 'src/sinks/syslog/binary.ts', name: 'FRAMES' },
] as const
const OPTIONS = [
  ...['--optimizeLevel', '3', '--shrinkLevel', '0', '--converge', '--noAssert'],
  // No runtime and no heap. The source lays out all memory, and the host provides it filled with zeros.
  ...['--runtime', 'stub', '--use', 'abort=', '--importMemory', '--zeroFilledMemory', '--noExportMemory'],
  ...['--enable', 'simd'],
]

/**
 * V8 compiles what a hot function calls into it, but in a module with few functions of under some 50 bytes it hardly does: it takes
 * them for compiled into their callers already. Our compiler does that with the smallest only. With these functions, which
 * nobody calls, the kernel is a quarter faster (docs/performance.md).
 */
const SMALL_FUNCTIONS = Array.from({ length: 60 }, (_, n) => `export function small${n}(): i32 { return ${n} }\n`).join(
  '',
)

/** The text that the file `binary` of an engine must have. */
export async function compiledSource({ entry, name }: (typeof ENGINES)[number]): Promise<string> {
  let binary: Uint8Array = new Uint8Array()
  const { error, stderr } = await asc.main([entry, '--outFile', 'engine.wasm', ...OPTIONS], {
    readFile: (file: string) => readSource(file, file === entry && entry === 'index.ts' ? SMALL_FUNCTIONS : ''),
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

/** The compiler adds `.ts` to imports that end in `.ts` already. */
function readSource(name: string, more: string): string | null {
  try {
    return readFileSync(join(import.meta.dirname, name.replace(/\.ts\.ts$/, '.ts')), 'utf8') + more
  } catch {
    return null
  }
}

if (process.argv[1] === import.meta.filename) {
  for (const engine of ENGINES) {
    writeFileSync(join(import.meta.dirname, '..', engine.binary), await compiledSource(engine))
  }
}
