/** The handlers of an image, verified: what runs is the bytes that were hashed. */
import { fileURLToPath } from 'node:url'

import { type Image, openImage } from '#enclave/image.ts'
import type { HandlerFiles } from '#host/host.ts'

/** Where `npm run build:plugins` puts the image that `trellis up` runs. */
export const IMAGE_FOLDER = fileURLToPath(new URL('../../dist/image', import.meta.url))

const COMPONENT = /^components\/([a-z0-9-]+)\.wasm$/

/** @throws Refusal `image-changed`, `image-missing`, `image-unlisted`, naming the file */
export async function readImage(folder: string): Promise<HandlerFiles[]> {
  return handlersIn(await openImage(folder))
}

/** The handlers of an image that is open. */
export function handlersIn(image: Image): HandlerFiles[] {
  return image.files.flatMap(({ path }) => {
    const name = COMPONENT.exec(path)?.[1]
    if (name === undefined) return []
    return [{ name, component: image.read(path), manifest: image.read(`manifests/${name}.json`) }]
  })
}
