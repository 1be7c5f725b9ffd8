/** A provider's and an author's signing keys: each 32 bytes in a file of its own, mode 0600. */
import { randomBytes } from 'node:crypto'
import { open, writeFile } from 'node:fs/promises'

import { ED25519_BYTES, type Ed25519Key, generateEd25519 } from '#host/crypto/ed25519.ts'
import { Refusal } from '#host/errors.ts'

/** Makes one and prints the public half. @throws Refusal `key-missing` when the file is there: no key is replaced */
export async function makeKeyFile(file: string): Promise<void> {
  const seed = randomBytes(ED25519_BYTES)
  try {
    await writeFile(file, seed, { mode: 0o600, flag: 'wx' })
    console.log(generateEd25519(seed).publicKey.toHex())
  } catch (cause) {
    const { message } = cause instanceof Error ? cause : new Error(String(cause))
    throw new Refusal('key-missing', `release: no key was made in ${file}: ${message}`, { cause })
  } finally {
    seed.fill(0)
  }
}

/** @throws Refusal `key-missing` for a file that is absent, open to others, or no key */
export async function readKeyFile(file: string): Promise<Ed25519Key> {
  await using handle = await open(file, 'r').catch((cause: unknown) => {
    throw new Refusal('key-missing', `release: key ${file} is absent: trellis release key --out makes one`, { cause })
  })
  const { mode, size } = await handle.stat()
  if ((mode & 0o077) !== 0) throw new Refusal('key-missing', `release: key ${file} is open to others: chmod 600 it`)
  if (size !== ED25519_BYTES) throw new Refusal('key-missing', `release: ${file} is no key of ${ED25519_BYTES} bytes`)
  const seed = new Uint8Array(ED25519_BYTES)
  try {
    await handle.read(seed, 0, ED25519_BYTES, 0)
    return generateEd25519(seed)
  } finally {
    seed.fill(0)
  }
}
