import { builtinModules } from 'node:module'
import { ALLOWED } from './test/walls/allowed.ts'

const SINK = 'src/sinks/(?!gzip/)[^/]+'

/** Regular expression for the paths that a name of the table stands for. */
function paths(name) {
  if (name === 'node') return `^(${builtinModules.join('|')})$`
  if (name.startsWith('node:')) return `^${name.slice('node:'.length)}$`
  if (name.endsWith('.ts')) return `^src/${name}$`
  if (name.endsWith('/**')) return `^src/${name.slice(0, -'**'.length)}`
  if (name === 'sinks/*') return `^${SINK}/[^/]+$`
  return name in ALLOWED ? `^src/${name}/[^/]+$` : `^node_modules/(@types/)?${name}/`
}

export default {
  forbidden: [{ name: 'no-circle', severity: 'error', from: {}, to: { circular: true } }],
  allowed: [
    ...Object.entries(ALLOWED).map(([name, imported]) => ({
      from: { path: paths(name) },
      to: { path: [...(name === 'sinks/*' ? [] : [paths(name)]), ...imported.map(paths)] },
    })),
    // One sink imports itself and no other.
    { from: { path: `^(${SINK})/[^/]+$` }, to: { path: '^$1/[^/]+$' } },
    {
      from: { path: '^engine/' },
      to: { path: '^engine/|^src/pipeline/wasm/memory-layout.ts$|^assemblyscript/|^node_modules/assemblyscript/' },
    },
    { from: { path: '^engine/build.ts$' }, to: { path: paths('node') } },
  ],
  allowedSeverity: 'error',
  options: { parser: 'swc', doNotFollow: { path: 'node_modules' } },
}
