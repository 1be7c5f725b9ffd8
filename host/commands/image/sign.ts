/** `trellis image sign`: an image becomes a release, by an entry of the release log that two keys sign. */
import { RELEASE_MEASUREMENTS_MAX } from '#enclave/limits.ts'
import { Refusal } from '#host/errors.ts'
import { appendEntry } from '../release/log-file.ts'
import { surroundings } from '../surroundings.ts'
import { readMeasured } from './read.ts'

export interface SignOptions {
  readonly log: string
  readonly key: readonly string[]
  readonly version: string
  readonly notes: string
  /** Hex: what it measures to in enclaves, besides by software. */
  readonly measurement: readonly string[]
}

/** @throws Refusal `image-…`; `release-refused` for an image without a number, or one that does not rise */
export async function sign(folder: string, options: SignOptions): Promise<void> {
  const { image, measure, measurement } = await readMeasured(folder)
  if (image.release === 0) {
    throw new Refusal('release-refused', 'release: the image has no number: build it with --release')
  }
  const measurements = [measurement.toHex(), ...options.measurement]
  if (measurements.length > RELEASE_MEASUREMENTS_MAX) {
    throw new Refusal('release-refused', `release: at most ${RELEASE_MEASUREMENTS_MAX - 1} measurements`)
  }
  const draft = {
    kind: 'release' as const,
    release: image.release,
    version: options.version,
    root: measure.root.toHex(),
    handlerRoot: measure.handlerRoot.toHex(),
    measurements,
    notes: options.notes,
  }
  const { serial } = await appendEntry(options.log, draft, { keyFiles: options.key, now: surroundings.now() })
  console.log(`release ${image.release} (${options.version})  entry ${serial} of ${options.log}`)
}
