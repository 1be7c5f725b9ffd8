/**
 * What comes before anything of an image runs: every file is read once and hashed, the runtime is compared, both roots
 * are extended, and all registers are locked.
 */
import type { Measures } from './attestor.ts'
import { type Image, openImage } from './image.ts'
import { REGISTERS } from './limits.ts'
import type { ImageRuntime } from './listing.ts'
import { extensionsOf, type ImageMeasure, measureImage } from './measure.ts'
import type { Registers } from './registers.ts'
import { checkRuntime } from './runtime.ts'

/** An image that was measured, and is what the registers say. */
export interface Boot {
  readonly folder: string
  readonly image: Image
  readonly measure: ImageMeasure
  /** Locked; undefined when a security module holds them. */
  readonly registers: Registers | undefined
  /** What reading, hashing and extending took, in milliseconds with a fraction. */
  readonly measuredMs: number
}

export interface BootOptions {
  readonly measures: Measures
  readonly registers?: Registers | undefined
  /** Asked only when the image names a runtime. */
  readonly runtime: () => Promise<ImageRuntime>
  /** Milliseconds with a fraction. */
  readonly monotonic: () => number
}

/**
 * @throws Refusal `image-…` naming the file. Then no register was extended.
 * @throws Error when the registers were locked before: nothing of the image may run
 */
export async function bootImage(folder: string, options: BootOptions): Promise<Boot> {
  const { measures, registers, runtime, monotonic } = options
  const started = monotonic()
  const image = await openImage(folder)
  if (image.runtime !== null) checkRuntime(image.runtime, await runtime())
  const measure = measureImage(image)
  for (const [index, data] of extensionsOf(measure)) await measures.extend(index, data)
  await measures.lockBelow(REGISTERS)
  return { folder, image, measure, registers, measuredMs: monotonic() - started }
}
