/** From handler source to component bytes, with what npm installs: QuickJS for TypeScript, asc for AssemblyScript. */
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { findPackageJSON } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'

import { componentEmbed, componentNew } from '@bytecodealliance/jco-transpile/wasm-tools'
import { createMemoryStream, main as compile } from 'assemblyscript/asc'

import { stillClock } from './still.ts'

const run = promisify(execFile)

/** The source is in the heap: without this it names the way to each package from the folder it was built in. */
const BUNDLE_CONFIG = `export default { experimental: { attachDebugInfo: 'none' } }`

/** Paths are relative to the working directory. `witDir` holds the (narrowed) world and what it uses, flat. */
export interface BuildOptions {
  readonly source: string
  readonly witDir: string
  readonly world: string
  readonly out: string
}

/**
 * Builds a TypeScript handler into a component that runs on QuickJS. Relative imports are bundled.
 *
 * The heap is snapshot at build time, and holds a clock and a die. Where they can be held still (`still.ts`), the
 * same source gives the same bytes; elsewhere the bytes differ from build to build: keep the artifact.
 *
 * @throws Error with the tool's own output when the source or the world is wrong
 */
export async function buildTypeScript(options: BuildOptions): Promise<void> {
  const jco = join(dirname(findPackageJSON('@bytecodealliance/jco', import.meta.url) ?? ''), 'dist/jco.js')
  await replaceFile(options.out, async (temporary) => {
    const args = [jco, 'componentize', resolve(options.source), '--wit', resolve(options.witDir), '-n', options.world]
    const config = `${temporary}.mjs`
    args.push('--backend', 'quickjs', '--backend-qjs-disable-async', '--bundle-config', config, '-o', temporary)
    try {
      await writeFile(config, BUNDLE_CONFIG)
      const still = await stillClock()
      const env = still === undefined ? process.env : { ...process.env, LD_PRELOAD: still }
      await run(process.execPath, args, { maxBuffer: 16 * 1024 * 1024, env })
    } catch (error) {
      throw new Error(`componentize ${options.source}: ${toolOutput(error)}`, { cause: error })
    } finally {
      await rm(config, { force: true })
    }
  })
}

/**
 * Builds an AssemblyScript handler into a component without WASI. Same sources, same bytes.
 *
 * @throws Error with the compiler's own output when the source or the world is wrong
 */
export async function buildAssemblyScript(options: BuildOptions): Promise<void> {
  await writeComponent(await compileCore(options.source), options)
}

/**
 * Makes a component of a core module that has the canonical ABI of its world.
 *
 * @throws Error when it imports or exports what the world has not
 */
export async function writeComponent(core: Uint8Array, options: Omit<BuildOptions, 'source'>): Promise<void> {
  await replaceFile(options.out, async (temporary) => {
    const witSource = await readWit(options.witDir)
    const embedded = await componentEmbed({ binary: core, witSource, world: options.world })
    await writeFile(temporary, await componentNew(embedded, []))
  })
}

/**
 * An AssemblyScript source as a core module. Packages it imports are found in `packages`, a `node_modules` folder.
 *
 * @throws Error with the compiler's own output when it is wrong
 */
export async function compileCore(source: string, { packages }: { packages?: string } = {}): Promise<Uint8Array> {
  let core: Uint8Array | undefined
  const path = relative('/', resolve(source))
  const args = [path, '--baseDir', '/', '-O3s', '--runtime', 'incremental', '--use', 'abort=', '--noAssert']
  const stderr = createMemoryStream()
  // asc looks for packages beside its base folder, which is the root.
  const placeOf = (name: string): string =>
    packages !== undefined && name.startsWith('node_modules/') ? join(dirname(packages), name) : resolve('/', name)
  const { error } = await compile([...args, '--noColors', '--outFile', 'core.wasm'], {
    stderr,
    readFile: (name) => readFile(placeOf(name), 'utf8').catch(() => null),
    writeFile: (name, contents) => {
      if (name.endsWith('core.wasm') && typeof contents !== 'string') core = contents
    },
  })
  if (error !== null || core === undefined) throw new Error(`asc ${source}: ${stderr.toString()}`, { cause: error })
  return core
}

/** All WIT files of a folder as one text: a package header may stand only once. */
async function readWit(witDir: string): Promise<string> {
  const names = (await readdir(witDir)).filter((name) => name.endsWith('.wit')).sort()
  const texts = await Promise.all(names.map((name) => readFile(join(witDir, name), 'utf8')))
  const header = /^package\s+[^;]+;/mu
  const found = texts.map((text) => header.exec(text)?.[0]).find((line) => line !== undefined)
  if (found === undefined) throw new Error(`${witDir}: no .wit file names its package`)
  return [found, ...texts.map((text) => text.replace(header, ''))].join('\n')
}

/** Writes beside the target and renames, so that a reader never sees half a file. */
export async function replaceFile(out: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const target = resolve(out)
  await mkdir(dirname(target), { recursive: true })
  const temporary = `${target}.${process.pid}-${performance.now()}.tmp`
  await write(temporary)
  await rename(temporary, target)
}

function toolOutput(error: unknown): string {
  if (error instanceof Error && 'stderr' in error) return String(error.stderr).trim() || error.message
  return String(error)
}
