/** The handlers of an image, verified: what runs is the bytes that were hashed. */
import { fileURLToPath } from 'node:url'

import { type Image, openImage } from '#enclave/image.ts'
import type { HandlerFiles } from '#host/host.ts'

/** Where `npm run build:plugins` puts the image that `trellis up` runs. */
export const IMAGE_FOLDER = fileURLToPath(new URL('../../dist/image', import.meta.url))

/** @throws Refusal `image-changed`, `image-missing`, `image-unlisted`, naming the file */
export async function readImage(folder: string): Promise<HandlerFiles[]> {
  return handlersOf(await openImage(folder))
}

/** From the bytes that were hashed. */
export function handlersOf(image: Image): HandlerFiles[] {
  return image.handlers.map(({ id, manifest, component, core }) => {
    const digests = core.length === 0 ? undefined : core.map(({ sha384 }) => sha384)
    return { name: id, component: image.read(component), manifest: image.read(manifest), core: digests }
  })
}
