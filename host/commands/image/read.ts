/** An image as the commands show it: verified, measured, its manifests read. */
import { type Image, openImage } from '#enclave/image.ts'
import { type ImageMeasure, measureImage, softwareMeasurement } from '#enclave/measure.ts'
import { type Manifest, parseManifest } from '#host/plugin/manifest.ts'

export interface MeasuredImage {
  readonly image: Image
  readonly measure: ImageMeasure
  /** 48 bytes. */
  readonly measurement: Uint8Array
  /** By handler id. */
  readonly manifests: ReadonlyMap<string, Manifest>
}

/** @throws Refusal `image-…` naming the file, `manifest-invalid` */
export async function readMeasured(folder: string): Promise<MeasuredImage> {
  const image = await openImage(folder)
  const measure = measureImage(image)
  const manifests = measure.handlers.map(({ id }) => {
    const path = `manifests/${id}.json`
    return [id, parseManifest(image.read(path), path)] as const
  })
  return { image, measure, measurement: softwareMeasurement(measure), manifests: new Map(manifests) }
}

/** What identifies an image, in hex, for `--json` and for the eye. */
export function identityOf({ measure, measurement }: MeasuredImage): Readonly<Record<string, string>> {
  return {
    root: measure.root.toHex(),
    handlerRoot: measure.handlerRoot.toHex(),
    measurement: measurement.toHex(),
  }
}
