/** `trellis image build`: the handlers of this repository as an image in a folder. */
import { readdir } from 'node:fs/promises'

import { Refusal } from '#host/errors.ts'
import { makeImage } from '../../../scripts/build-image.ts'
import { inspect } from './inspect.ts'

/** Replaces an image that is there. @throws Refusal `image-unlisted` for a folder that holds something else */
export async function build(folder: string, options: { json: boolean; columns: number }): Promise<void> {
  const found: readonly string[] = await readdir(folder).catch(() => [])
  if (found.length > 0 && !found.includes('image.json')) {
    throw new Refusal('image-unlisted', `image: ${folder} holds ${found[0]} and is no image: choose an empty folder`)
  }
  await makeImage(folder)
  await inspect(folder, options)
}
