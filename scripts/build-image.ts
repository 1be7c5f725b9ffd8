/** Makes an image: builds the handlers that are not built, lays their files out in a folder, and lists them. */
import { cp, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { buildImage, writeImage } from '../enclave/image.ts'
import { IMAGE_FOLDER } from '../host/commands/image.ts'
import { buildPlugins, type BuiltPlugin } from './build-plugins.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Replaces what is in `folder`. @returns what was built on the way */
export async function makeImage(folder: string): Promise<readonly BuiltPlugin[]> {
  const plugins = await buildPlugins()
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
  }
  const wit = join(root, 'wit')
  for (const name of await readdir(wit)) await place(join(wit, name), 'wit', name)
  await writeImage(folder, await buildImage(folder, files))
  return plugins
}

if (import.meta.main) {
  const plugins = await makeImage(IMAGE_FOLDER)
  for (const { name, isNew } of plugins) console.log(`${isNew ? 'built     ' : 'up to date'}  ${name}`)
  console.log(`image       ${IMAGE_FOLDER.slice(root.length)}`)
}
