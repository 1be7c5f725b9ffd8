/** Builds every handler that has a manifest into `plugins/<handler>/dist/<handler>.wasm`, when it is not there yet. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import { parseManifest } from '../host/plugin/manifest.ts'
import { neededInterfaces } from '../host/plugin/registry.ts'
import { stillClock } from './still.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

export interface BuiltPlugin {
  readonly name: string
  readonly manifest: string
  readonly component: string
  /** False when it was up to date. */
  readonly isNew: boolean
}

/** Builds what changed: sources, manifest, world and tools are told apart by a hash beside the component. */
export async function buildPlugins(): Promise<readonly BuiltPlugin[]> {
  const manifests = await list(join(root, 'manifests'), '.json')
  const built: BuiltPlugin[] = []
  for (const manifest of manifests) {
    const name = basename(manifest, '.json')
    if (name === 'schema') continue
    const component = join(root, 'plugins', name, 'dist', `${name}.wasm`)
    const isNew = await buildPlugin(name, component)
    built.push({ name, manifest, component, isNew })
  }
  return built
}

/** Builds one of them into any file. @returns whether it had to be built */
export function buildPlugin(name: string, component: string): Promise<boolean> {
  const shared = join(root, 'plugins', 'sdk')
  const manifest = join(root, 'manifests', `${name}.json`)
  return buildHandler({ manifest, folder: join(root, 'plugins', name), component, shared })
}

/** The same, with components that were built elsewhere. */
export async function releasedPlugins(components: string): Promise<readonly BuiltPlugin[]> {
  const manifests = await list(join(root, 'manifests'), '.json')
  return manifests.flatMap((manifest) => {
    const name = basename(manifest, '.json')
    return name === 'schema' ? [] : [{ name, manifest, component: join(components, `${name}.wasm`), isNew: false }]
  })
}

/** Builds the handlers that misbehave in one way each, for tests: `.cache/fixtures/<name>.wasm`. */
export async function buildFixtures(): Promise<void> {
  const shared = join(root, 'host', 'plugin', 'fixtures')
  for (const name of await readdir(shared)) {
    const folder = join(shared, name)
    const manifest = join(folder, 'manifest.json')
    if (!existsSync(manifest)) continue
    await buildHandler({ manifest, folder, component: join(root, '.cache', 'fixtures', `${name}.wasm`), shared })
  }
}

/**
 * Builds one handler folder: `handler.ts` on QuickJS, or `handler.as.ts` in AssemblyScript; as an Extism plug-in when
 * its manifest says so. The world it is built
 * against holds what its manifest needs and nothing else.
 *
 * @returns whether it had to be built
 */
async function buildHandler(paths: {
  manifest: string
  folder: string
  component: string
  /** Folder of sources that handlers import from. */
  shared: string
}): Promise<boolean> {
  const { manifest: file, folder, component } = paths
  const manifest = parseManifest(await readFile(file), relative(root, file))
  const sources = [...(await list(folder, '.ts')), ...(await list(paths.shared, '.ts'))].filter(
    (path) => !path.endsWith('.test.ts'),
  )
  const isExtism = manifest.runtime === 'extism'
  if (isExtism) sources.push(...(await extismSources(folder)))
  const isScript = sources.includes(join(folder, 'handler.as.ts'))
  const inputs = [file, ...sources, ...(await list(join(root, 'wit'), '.wit')), join(root, 'scripts/toolchain.ts')]
  const still = isExtism || isScript ? undefined : await stillClock()
  // What was built while the clock ran is built again when it can be held.
  if (still !== undefined) inputs.push(join(root, 'scripts/still.c'))
  const digest = await digestOf([...inputs, join(root, 'package-lock.json')])
  const mark = `${component}.inputs`
  if (existsSync(component) && existsSync(mark) && (await readFile(mark, 'utf8')) === digest) return false

  if (isExtism) {
    const { buildExtism } = await import('./extism-toolchain.ts')
    await buildExtism({ folder, out: component })
    await writeMark(mark, digest)
    return true
  }
  const witDir = await mkdtemp(join(tmpdir(), 'trellis-wit-'))
  try {
    await narrowWorld({ from: join(root, 'wit'), to: witDir, interfaces: neededInterfaces(manifest.needs) })
    const source = join(folder, isScript ? 'handler.as.ts' : 'handler.ts')
    // Loaded when there is something to build: the compilers take longer to load than the demo to start.
    const { buildAssemblyScript, buildTypeScript } = await import('./toolchain.ts')
    const build = isScript ? buildAssemblyScript : buildTypeScript
    await build({ source, witDir, world: 'handler', out: component })
  } finally {
    await rm(witDir, { recursive: true })
  }
  await writeMark(mark, digest)
  return true
}

async function writeMark(mark: string, digest: string): Promise<void> {
  await writeFile(`${mark}.tmp`, digest)
  await rename(`${mark}.tmp`, mark)
}

/** What a plug-in is made of beside its own TypeScript-like files. */
async function extismSources(folder: string): Promise<string[]> {
  const own = [...(await list(folder, '.go')), ...(await list(folder, 'go.mod')), ...(await list(folder, '.wat'))]
  const sdk = join(root, 'plugins', 'sdk', 'extism')
  return [...own, ...(await list(sdk, '.ts')), join(root, 'scripts/extism-toolchain.ts')]
}

/** Copies the world without the imports that are not asked for, so that a component cannot even name them. */
export async function narrowWorld(options: {
  from: string
  to: string
  interfaces: ReadonlySet<string>
}): Promise<void> {
  const { from, to, interfaces } = options
  for (const name of [...interfaces, 'types']) await cp(join(from, `${name}.wit`), join(to, `${name}.wit`))
  const world = await readFile(join(from, 'world.wit'), 'utf8')
  const narrowed = world.replaceAll(/^ *import ([a-z-]+);\n/gmu, (line, name: string) =>
    interfaces.has(name) ? line : '',
  )
  await writeFile(join(to, 'world.wit'), narrowed)
}

async function digestOf(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths.toSorted()) {
    const bytes = await readFile(path)
    hash.update(`${relative(root, path)}\0${bytes.length}\0`).update(bytes)
  }
  return hash.digest('hex')
}

async function list(folder: string, suffix: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(suffix))
  return names.sort().map((name) => join(folder, name))
}

if (import.meta.main) {
  for (const { name, isNew } of await buildPlugins())
    process.stdout.write(`${name}: ${isNew ? 'built' : 'up to date'}\n`)
}
