/** The program that runs a host: what an image says of it, and what it is. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'

import { IMAGE_READ_BYTES } from './limits.ts'
import { type ImageRuntime, refuseChanged } from './listing.ts'

/** What a process says of itself. */
export type RuntimeName = Pick<ImageRuntime, 'version' | 'platform' | 'arch'>

/** Reads `program` once, a part at a time: it is a hundred times what the rest of an image has. */
export async function describeRuntime(program: string, name: RuntimeName): Promise<ImageRuntime> {
  await using file = await open(program)
  const hash = createHash('sha384')
  const buffer = new Uint8Array(IMAGE_READ_BYTES)
  let size = 0
  for (;;) {
    const { bytesRead } = await file.read(buffer, { position: size })
    if (bytesRead === 0) break
    hash.update(buffer.subarray(0, bytesRead))
    size += bytesRead
  }
  const { version, platform, arch } = name
  return { version, platform, arch, size, sha384: hash.digest('hex') }
}

/** @throws Refusal `image-changed` naming what is another than was listed */
export function checkRuntime(listed: ImageRuntime, found: ImageRuntime): void {
  for (const what of ['version', 'platform', 'arch', 'size', 'sha384'] as const) {
    if (found[what] !== listed[what]) {
      refuseChanged('the runtime', `has ${what} ${found[what]}, listed is ${listed[what]}`)
    }
  }
}
