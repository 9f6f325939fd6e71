import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { onTestFinished } from 'vitest'
import { REPOSITORY } from './installation.ts'
import { parseYaml } from './yaml.ts'

const TOOLS = join(REPOSITORY, 'test/operate/.tools/kubernetes')

export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string }
  // biome-ignore lint/suspicious/noExplicitAny: a manifest has any shape; its own schema validates it
  [field: string]: any
}

/** The manifests that `kubectl apply -k` would send. */
export function kustomized(folder: string): Manifest[] {
  const text = execFileSync(join(TOOLS, 'kustomize'), ['build', resolve(REPOSITORY, folder)], { encoding: 'utf8' })
  return parseYaml<Manifest>(text)
}

/** The API groups of Kubernetes' own kinds have no dot, or end in k8s.io. */
const PACKAGES: Record<string, string> = {
  'keda.sh': '@kubernetes-models/keda/',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator/',
}

function moduleOf({ apiVersion, kind }: Manifest): string {
  return `${PACKAGES[apiVersion.split('/')[0] as string] ?? 'kubernetes-models/'}${apiVersion}/${kind}`
}

/** Throws the errors of a manifest against the schema of its kind. The schema accepts unknown fields: see `typeErrors`. */
export async function validate(manifest: Manifest): Promise<void> {
  const models = await import(join(TOOLS, 'node_modules', `${moduleOf(manifest)}.js`))
  new models[manifest.kind](manifest).validate()
}

/** Compiler errors of the manifests as literals of their types, above all unknown fields. */
export function typeErrors(manifests: Manifest[]): string {
  const folder = mkdtempSync(join(TOOLS, 'typed-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const literals = manifests.map((manifest, index) => {
    const { kind } = manifest
    const type = `import('${moduleOf(manifest)}').I${kind}`
    return `export const ${kind}${index}: ${type} = ${JSON.stringify(manifest, null, 2)}\n`
  })
  writeFileSync(join(folder, 'manifests.ts'), literals.join('\n'))
  const options = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'esnext',
    '--types',
    '',
  ]
  const compiler = join(REPOSITORY, 'node_modules/.bin/tsc')
  const { stdout, error } = spawnSync(compiler, [...options, 'manifests.ts'], { cwd: folder, encoding: 'utf8' })
  if (error) throw error
  return stdout
}
