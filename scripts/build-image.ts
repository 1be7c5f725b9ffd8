/** Makes an image: builds the handlers that are not built, lays their files out in a folder, and lists them. */
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { buildImage, type ImageParts, writeImage } from '../enclave/image.ts'
import { BOOT_FILE, HOST_FILE, type ImageHandler, type ImageHead } from '../enclave/listing.ts'
import { runtimeOf } from '../enclave/start.ts'
import { signatureOf } from '../host/commands/handler/sign.ts'
import { IMAGE_FOLDER } from '../host/commands/image.ts'
import { sha384 } from '../host/crypto/p384.ts'
import { parseManifest } from '../host/plugin/manifest.ts'
import { loadProgram } from '../host/plugin/program.ts'
import { buildPlugins, type BuiltPlugin, releasedPlugins } from './build-plugins.ts'
import { checkPins, type Pins } from './pins.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

interface WholeImage extends Partial<ImageHead> {
  /** Components that must be these very ones; none are asked for if it is not said. */
  readonly pins?: Pins | undefined
  /** Holds `<handler>.wasm` of each: none is built. */
  readonly components?: string | undefined
}

/** Replaces what is in `folder` with handlers alone, for a host that runs from here. @returns what was built */
export async function makeImage(folder: string): Promise<readonly BuiltPlugin[]> {
  const plugins = await buildPlugins()
  const files = await layOut(folder, plugins)
  await writeImage(folder, await buildImage(folder, files))
  return plugins
}

/**
 * Replaces what is in `folder` with all that runs: handlers, the host, the code that boots it, and the runtime by its
 * digest.
 *
 * @throws Refusal `image-changed` naming a component that is not the pinned one
 */
export async function makeWholeImage(folder: string, { pins, components, ...head }: WholeImage = {}): Promise<void> {
  const plugins = components === undefined ? await buildPlugins() : await releasedPlugins(components)
  await checkPins(plugins, pins)
  const files = await layOut(folder, plugins)
  // Loaded when there is something to bundle.
  const { bundle } = await import('./bundle-host.ts')
  await mkdir(join(folder, 'host'), { recursive: true })
  await writeFile(join(folder, HOST_FILE), await bundle('scripts/measured-host.ts'))
  await writeFile(join(folder, BOOT_FILE), await bundle('enclave/main.ts'))
  const parts: ImageParts = { runtime: await runtimeOf(process), ...head, core: await coresOf(plugins) }
  await writeImage(folder, await buildImage(folder, [...files, HOST_FILE, BOOT_FILE], parts))
}

/** @returns paths, as they are listed */
async function layOut(folder: string, plugins: readonly BuiltPlugin[]): Promise<string[]> {
  await rm(folder, { recursive: true, force: true })
  const files: string[] = []
  const place = async (from: string, ...to: [string, string]) => {
    await mkdir(join(folder, to[0]), { recursive: true })
    await cp(from, join(folder, ...to))
    files.push(to.join('/'))
  }
  for (const { name, manifest, component } of plugins) {
    await place(component, 'components', `${name}.wasm`)
    await place(manifest, 'manifests', `${name}.json`)
    const signature = signatureOf(component)
    if (existsSync(signature)) await place(signature, 'signatures', `${name}.sig`)
  }
  const wit = join(root, 'wit')
  for (const name of await readdir(wit)) await place(join(wit, name), 'wit', name)
  return files
}

/** The modules that the engine is to get, as the host patches them. */
async function coresOf(plugins: readonly BuiltPlugin[]): Promise<Map<string, ImageHandler['core']>> {
  const cores = new Map<string, ImageHandler['core']>()
  for (const { name, manifest, component } of plugins) {
    const core: { size: number; sha384: string }[] = []
    const parsed = parseManifest(await readFile(manifest), `manifests/${name}.json`)
    loadProgram(new Uint8Array(await readFile(component)), parsed, (module) => {
      core.push({ size: module.length, sha384: sha384(module).toHex() })
    })
    cores.set(name, core)
  }
  return cores
}

if (import.meta.main) {
  const plugins = await makeImage(IMAGE_FOLDER)
  for (const { name, isNew } of plugins) console.log(`${isNew ? 'built     ' : 'up to date'}  ${name}`)
  console.log(`image       ${IMAGE_FOLDER.slice(root.length)}`)
}
