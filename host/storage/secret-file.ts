/**
 * A secret of 32 bytes in a file of its own, mode 0600: what seals an installation's keys, what signs its evidence, and
 * the keys of providers and authors.
 */
import { constants } from 'node:fs'
import { type FileHandle, link, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

import { Refusal } from '#host/errors.ts'
import { flush } from './flush.ts'
import { KEY_BYTES } from './keys.ts'

type Random = (length: number) => Uint8Array

/**
 * The caller wipes it.
 *
 * @returns undefined when there is no file
 * @throws Refusal `key-missing` for a link, a damaged file, or one that is open to others: a key that others may have
 *   read is no key
 */
export async function readSecretFile(file: string): Promise<Uint8Array | undefined> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new Refusal('key-missing', `key file ${file} could not be opened: ${error.message}`, { cause: error })
  })
  if (handle === undefined) return undefined
  try {
    const { mode, size } = await handle.stat()
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8)
      throw new Refusal(
        'key-missing',
        `key file ${file} is open to others (mode ${shown}): chmod 600 it, or make new keys`,
      )
    }
    if (size !== KEY_BYTES) {
      throw new Refusal('key-missing', `key file ${file} has ${size} bytes, not ${KEY_BYTES}: put the right one back`)
    }
    const secret = new Uint8Array(KEY_BYTES)
    await handle.read(secret, 0, KEY_BYTES, 0)
    return secret
  } finally {
    await handle.close()
  }
}

/**
 * Draws a secret and keeps it: the file exists with all its bytes durable, or not at all.
 *
 * @returns false when a file is there already, or another process was first: no key is ever replaced
 * @throws Refusal `key-missing` when nothing can be written there
 */
export async function makeSecretFile(file: string, random: Random): Promise<boolean> {
  const draft = `${file}.${random(8).toHex()}`
  const handle = await open(draft, 'wx', 0o600).catch((cause: unknown) => {
    throw new Refusal('key-missing', `no key was made in ${file}: its folder takes no new file`, { cause })
  })
  const isMade = await fill(handle, random)
    .then(() => link(draft, file))
    .then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return false
        throw error
      },
    )
    .finally(() => rm(draft, { force: true }))
  const folder = await open(dirname(file), 'r')
  try {
    await flush(folder, 'all')
  } finally {
    await folder.close()
  }
  return isMade
}

async function fill(handle: FileHandle, random: Random): Promise<void> {
  const secret = random(KEY_BYTES)
  try {
    await handle.writeFile(secret)
    await flush(handle, 'all')
  } finally {
    secret.fill(0)
    await handle.close()
  }
}
