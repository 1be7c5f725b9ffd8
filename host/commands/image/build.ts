/** `trellis image build`: all that runs, as an image in a folder. */
import { existsSync } from 'node:fs'

import { Refusal } from '#host/errors.ts'
import { makeWholeImage } from '../../../scripts/build-image.ts'
import { readPins } from '../../../scripts/pins.ts'
import { stillClock } from '../../../scripts/still.ts'
import { listInput } from '../files.ts'
import { warn } from '../warn.ts'
import { inspect } from './inspect.ts'

const DIFFERENT =
  'handlers in TypeScript differ from build to build here (no Linux, or no C compiler): ' +
  'give --components, those of a release, and --pins'

export interface BuildOptions {
  readonly json: boolean
  readonly columns: number
  /** A file of pins. */
  readonly pins?: string | undefined
  /** A folder of components, `<handler>.wasm`. */
  readonly components?: string | undefined
  readonly release?: number
  /** Ed25519, hex. */
  readonly releaseKey: readonly string[]
  readonly minimumRelease?: number
}

/**
 * Replaces an image that is there.
 *
 * @throws Refusal `image-unlisted` for a folder that holds something else, `input-invalid` for what is no folder
 */
export async function build(folder: string, from: BuildOptions): Promise<void> {
  const found = existsSync(folder) ? await listInput(folder, 'image') : []
  if (found.length > 0 && !found.includes('image.json')) {
    throw new Refusal('image-unlisted', `image: ${folder} holds ${found[0]} and is no image: choose an empty folder`)
  }
  if (from.components !== undefined) await listInput(from.components, 'components')
  const { json, columns, pins, components, release = 0, releaseKey, minimumRelease = 0 } = from
  if (components === undefined && (await stillClock()) === undefined) warn(DIFFERENT)
  await makeWholeImage(folder, {
    components,
    pins: pins === undefined ? undefined : await readPins(pins),
    release,
    policy: { releaseKeys: releaseKey.toSorted(), minimumRelease },
  })
  await inspect(folder, { json, columns })
}
