/** `trellis handler digest`: the hashes by which an image lists a handler, and a reviewer names it. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

import { Refusal } from '#host/errors.ts'
import { findHandler, shown } from './folder.ts'

/** SHA-384 in hex, as `image.json` has it. */
export function sha384(bytes: Uint8Array): string {
  return createHash('sha384').update(bytes).digest('hex')
}

export async function digest(path: string): Promise<void> {
  const handler = findHandler(path)
  for (const file of [handler.component, handler.manifest]) {
    const bytes = await readFile(file).catch(() => undefined)
    if (bytes === undefined) throw new Refusal('source-invalid', `${shown(file)} is not there: trellis handler build`)
    // The form of `sha384sum`, which can check it.
    console.log(`${sha384(bytes)}  ${shown(file)}`)
  }
}
