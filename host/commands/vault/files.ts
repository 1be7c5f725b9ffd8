/** Files that hold a key or a passphrase, and those that must be new. */
import { open, readFile } from 'node:fs/promises'

import { Refusal } from '#host/errors.ts'
import { flush } from '#host/storage/flush.ts'

/**
 * The first line of a file; with `comments`, of those that are none (`#`), as age-keygen writes them.
 *
 * @throws Refusal `key-missing` when it cannot be read or holds nothing
 */
export async function secretLine(path: string, options: { comments: boolean }): Promise<string> {
  const text = new TextDecoder().decode(await readSecret(path))
  const line = text.split(/\r?\n/).find((each) => each.trim() !== '' && !(options.comments && each.startsWith('#')))
  if (line === undefined) throw new Refusal('key-missing', `${path} holds no line: put the secret into it`)
  return line
}

/** @throws Refusal `key-missing` */
export async function readSecret(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    throw new Refusal('key-missing', `${path} cannot be read: choose another file`, { cause })
  }
}

const SIGNING_SEED_BYTES = 64
/** A device's folder keeps the seed of its sealing key behind the other. */
const DEVICE_SEEDS_BYTES = SIGNING_SEED_BYTES + 32

/**
 * What a device signs with: the file of `vault create --new-device-key`, or `device.key` of a device's folder.
 *
 * @throws Refusal `key-missing`
 */
export async function signingSeed(path: string): Promise<Uint8Array> {
  const bytes = await readSecret(path)
  if (bytes.length === SIGNING_SEED_BYTES || bytes.length === DEVICE_SEEDS_BYTES) {
    return bytes.subarray(0, SIGNING_SEED_BYTES)
  }
  throw new Refusal('key-missing', `${path} has ${bytes.length} bytes and is no device’s key: choose another file`)
}

/** Readable by its owner alone, durable when this resolves. @throws Refusal `conflict` when it is there already */
export async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
    throw new Refusal('conflict', `${path} cannot be made new: choose another file`, { cause })
  })
  try {
    await file.writeFile(bytes)
    await flush(file, 'all')
  } finally {
    await file.close()
  }
}
