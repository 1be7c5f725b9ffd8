/** `trellis handler publish`: puts a checked handler into an image that `trellis up` runs. */
import { existsSync } from 'node:fs'
import { copyFile, cp, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { buildImage, openImage, writeImage } from '#enclave/image.ts'
import { parseManifest } from '#host/plugin/manifest.ts'
import { loadProgram } from '#host/plugin/program.ts'
import { buildRegistry } from '#host/plugin/registry.ts'
import { readImage } from '../image.ts'
import { paint } from '../paint.ts'
import { findMistakes } from './check.ts'
import { signatureOf } from './sign.ts'
import { findHandler, readManifest, shown } from './folder.ts'

const WIT = fileURLToPath(new URL('../../../wit', import.meta.url))

/**
 * Takes the place of a handler of the same name.
 *
 * @returns whether it was put there: not with mistakes in it
 * @throws Refusal `component-invalid` when another handler of the image answers one of its events; `image-*` when the
 *   image was changed by hand
 */
export async function publish(path: string, image: string): Promise<boolean> {
  const handler = findHandler(path)
  const { mistakes } = await findMistakes(handler)
  for (const mistake of mistakes) console.log(`${paint.bad('NO')}  ${mistake}`)
  if (mistakes.length > 0) return false
  const manifest = await readManifest(handler)
  const others = (await filesOf(image)).length === 0 ? [] : await readImage(image)
  const beside = others
    .filter(({ name }) => name !== manifest.handler)
    .map((other) => ({ bytes: other.component, manifest: parseManifest(other.manifest, `${other.name}.json`) }))
  const all = [...beside, { bytes: new Uint8Array(await readFile(handler.component)), manifest }]
  buildRegistry(all.map(({ bytes, manifest }) => ({ manifest, component: loadProgram(bytes, manifest) })))

  const files = new Set(await filesOf(image))
  for (const name of await readdir(WIT)) files.add(`wit/${name}`)
  await mkdir(join(image, 'components'), { recursive: true })
  await mkdir(join(image, 'manifests'), { recursive: true })
  await cp(WIT, join(image, 'wit'), { recursive: true })
  const own = [`components/${manifest.handler}.wasm`, `manifests/${manifest.handler}.json`] as const
  await copyFile(handler.component, join(image, own[0]))
  await copyFile(handler.manifest, join(image, own[1]))
  for (const path of own) files.add(path)
  await takeSignature(handler.component, { image, name: manifest.handler, files })
  await writeImage(image, await buildImage(image, [...files]))
  const { digest } = await openImage(image)
  console.log(`${paint.good('published')}  ${manifest.handler} ${manifest.version} into ${shown(image)}`)
  console.log(paint.soft(`image ${digest.toHex()}`))
  console.log(`next  trellis up --data DIR --nats URL --image ${shown(image)}`)
  return true
}

/** The author's, if it is there; one of a build before is left out. */
async function takeSignature(
  component: string,
  { image, name, files }: { image: string; name: string; files: Set<string> },
): Promise<void> {
  const path = `signatures/${name}.sig`
  files.delete(path)
  await rm(join(image, path), { force: true })
  const from = signatureOf(component)
  if (!existsSync(from)) return
  await mkdir(join(image, 'signatures'), { recursive: true })
  await copyFile(from, join(image, path))
  files.add(path)
}

/** Paths in a verified image; none when there is no image yet. */
async function filesOf(image: string): Promise<string[]> {
  if (!existsSync(join(image, 'image.json'))) return []
  return (await openImage(image)).files.map((file) => file.path)
}
