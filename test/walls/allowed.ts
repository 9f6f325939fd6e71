/** What an engine is made of. */
const ENGINE =
  'pipeline/engine.ts pipeline/program.ts pipeline/packer.ts pipeline/select.ts pipeline/hec-layout.ts pipeline/event-id.ts pipeline/batch-memory.ts'

/** Each place in `src`, everything of ours that it may import besides itself, and the packages. */
const TABLE: readonly (readonly [place: string, ours: string, packages: string])[] = [
  ['main.ts', 'cli/** version.ts', 'node'],
  [
    'cli/**',
    'replica.ts parts.ts version.ts config config/file pipeline pipeline/reference/trial.ts pipeline/wasm/left.ts pipeline/wasm/trial.ts sinks sinks/* sls emulator emulator/sls emulator/hec emulator/syslog net core',
    'node undici p-limit p-retry',
  ],
  ['replica.ts', 'bridge.ts parts.ts version.ts config observability sls core', 'node:events'],
  ['bridge.ts', 'parts.ts config consumer pipeline pipeline/reference pipeline/wasm sinks sls core', ''],
  ['parts.ts', 'version.ts config routing pipeline pipeline/reference sinks sinks/* sls core', ''],
  ['consumer', 'sls core', ''],
  ['routing', 'core', 're2js'],
  ['pipeline', 'routing core', ''],
  ['pipeline/lines', '', ''],
  ['pipeline/reference', `${ENGINE} pipeline/lines routing core sls/protobuf.ts`, 'node:buffer node:crypto'],
  ['pipeline/wasm', `${ENGINE} pipeline/products.ts pipeline/reference routing core sls/lz4.ts`, 'node:crypto'],
  ['sinks', 'core', 'node:crypto node:fs node:fs/promises node:path p-limit'],
  ['sinks/gzip', 'core', 'node:util node:zlib'],
  ['sinks/*', 'sinks sinks/gzip net core', 'node undici p-limit'],
  ['sls', 'net core', 'node undici p-limit @alicloud/log @alicloud/credentials'],
  ['config', 'routing core', 'node'],
  ['config/file', 'config geo routing core', 'node valibot yaml'],
  ['geo', 'routing core', 'node:fs node:fs/promises maxmind'],
  ['observability', 'core', 'node pino pino-pretty prom-client'],
  ['emulator', '', 'node'],
  ['emulator/sls', 'emulator core sls/cursor.ts sls/lz4.ts sls/log-group.ts', 'node'],
  ['emulator/hec', 'emulator', 'node'],
  ['emulator/syslog', 'emulator', 'node'],
  ['net', 'core', 'node undici'],
  ['core', '', 'node:fs node:fs/promises node:net node:path node:timers node:util'],
  ['version.ts', '', 'node:fs'],
]

/**
 * The walls: what each place may import. All other imports are errors, those of types included. DESIGN.md shows the table.
 *
 * `folder` is the files directly in it, `cli/**` also those below, `sinks/*` any one sink. `node` is every module of Node.
 */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  TABLE.map(([place, ours, packages]) => [place, `${ours} ${packages}`.split(' ').filter(Boolean)]),
)
