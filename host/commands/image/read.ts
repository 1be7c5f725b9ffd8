/** An image as the commands show it: verified, measured, its manifests read. */
import { authorOf } from '#enclave/author.ts'
import { Rejection } from '#enclave/errors.ts'
import { type Image, openImage } from '#enclave/image.ts'
import { type ImageMeasure, measureImage, softwareMeasurement } from '#enclave/measure.ts'
import { Refusal } from '#host/errors.ts'
import { type Manifest, parseManifest } from '#host/plugin/manifest.ts'
import { listInput } from '../files.ts'

export interface MeasuredImage {
  readonly image: Image
  readonly measure: ImageMeasure
  /** 48 bytes. */
  readonly measurement: Uint8Array
  /** By handler id. */
  readonly manifests: ReadonlyMap<string, Manifest>
  /** By handler id: the key (32 bytes) whose signature the image has for it. */
  readonly authors: ReadonlyMap<string, Uint8Array>
}

/**
 * @throws Refusal `image-…` naming the file, also for an author's signature over another; `manifest-invalid`;
 *   `input-invalid` for no folder at all
 */
export async function readMeasured(folder: string): Promise<MeasuredImage> {
  return measuredOf(await readImageAt(folder))
}

/** @throws Refusal `image-…` naming the file; `input-invalid` for no folder at all */
export async function readImageAt(folder: string): Promise<Image> {
  await listInput(folder, 'image')
  return openImage(folder)
}

/** An image that was read. @throws Refusal as `readMeasured` */
export function measuredOf(image: Image): MeasuredImage {
  const measure = measureImage(image)
  const manifests = measure.handlers.map(({ id }) => {
    const path = `manifests/${id}.json`
    return [id, parseManifest(image.read(path), path)] as const
  })
  return {
    image,
    measure,
    measurement: softwareMeasurement(measure),
    manifests: new Map(manifests),
    authors: authorsOf(image),
  }
}

function authorsOf(image: Image): ReadonlyMap<string, Uint8Array> {
  const authors = new Map<string, Uint8Array>()
  for (const { path, kind } of image.files) {
    if (kind !== 'signature') continue
    const id = path.slice('signatures/'.length, -'.sig'.length)
    const handler = image.handlers.find((one) => one.id === id)
    if (handler === undefined) throw new Refusal('image-changed', `image: ${path} is of no handler in it: remove it`)
    const [manifest, component] = [image.read(handler.manifest), image.read(handler.component)]
    try {
      authors.set(id, authorOf({ id, manifest, component }, image.read(path)))
    } catch (cause) {
      if (!(cause instanceof Rejection)) throw cause
      throw new Refusal('image-changed', `image: ${path}: ${cause.message}`, { cause })
    }
  }
  return authors
}

/** What identifies an image, in hex, for `--json` and for the eye. */
export function identityOf({ measure, measurement }: MeasuredImage): Readonly<Record<string, string>> {
  return {
    root: measure.root.toHex(),
    handlerRoot: measure.handlerRoot.toHex(),
    measurement: measurement.toHex(),
  }
}
