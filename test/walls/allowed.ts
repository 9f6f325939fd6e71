/**
 * The walls: each folder of `src` and everything that it may import besides itself. All other imports are errors, those of
 * types included. DESIGN.md shows this table.
 *
 * `folder` means the files directly in it, `folder/**` also those below, `sinks/*` any one sink. `node` is every module of
 * Node's own. The rest are names of packages.
 */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['cli/**', 'version.ts', 'node'],
  'cli/**': [
    ...[
      'replica.ts',
      'parts.ts',
      'config',
      'observability',
      'sls',
      'sinks',
      'sinks/*',
      'pipeline',
      'net',
      'core',
      'version.ts',
    ],
    ...['emulator', 'emulator/sls', 'emulator/hec', 'node', 'undici', 'p-limit'],
  ],
  'replica.ts': ['bridge.ts', 'parts.ts', 'config', 'observability', 'sls', 'core', 'version.ts', 'node:events'],
  'bridge.ts': ['parts.ts', 'config', 'consumer', 'pipeline', 'pipeline/wasm', 'sinks', 'sls', 'core'],
  'parts.ts': ['config', 'sinks', 'sinks/*', 'sls', 'core', 'version.ts'],
  consumer: ['sls', 'core'],
  pipeline: ['pipeline/reference', 'pipeline/wasm', 'core', 'sls/protobuf.ts', 'sls/lz4.ts', 'sls/log-group.ts'],
  'pipeline/reference': ['pipeline', 'core', 'sls/protobuf.ts', 'sls/log-group.ts', 'node:buffer', 'node:crypto'],
  'pipeline/wasm': ['pipeline', 'pipeline/reference', 'core', 'sls/lz4.ts'],
  sinks: ['core', 'net', 'node:crypto', 'node:fs', 'node:fs/promises', 'node:path'],
  'sinks/gzip': ['core', 'node:util', 'node:zlib'],
  'sinks/*': ['sinks', 'sinks/gzip', 'core', 'net', 'node', 'undici', 'p-limit', 'p-retry'],
  sls: ['core', 'net', 'node', 'undici', 'p-limit', '@alicloud/log', '@alicloud/credentials'],
  config: ['core', 'node'],
  observability: ['core', 'node', 'pino', 'pino-pretty', 'pino-roll', 'prom-client'],
  net: ['core', 'node', 'undici'],
  core: ['node:timers', 'node:util'],
  'emulator/sls': ['emulator', 'core', 'sls/cursor.ts', 'sls/lz4.ts', 'sls/log-group.ts', 'node'],
  'emulator/hec': ['emulator', 'core', 'node'],
  emulator: ['core', 'node'],
  'version.ts': ['node:fs'],
}
