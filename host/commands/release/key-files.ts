/** A provider's and an author's signing keys: each 32 bytes in a file of its own, mode 0600. */
import { type Ed25519Key, generateEd25519 } from '#host/crypto/ed25519.ts'
import { Refusal } from '#host/errors.ts'
import { makeSecretFile, readSecretFile } from '#host/storage/secret-file.ts'
import { surroundings } from '../surroundings.ts'

/** Makes one and prints the public half. @throws Refusal `key-missing` when the file is there: no key is replaced */
export async function makeKeyFile(file: string): Promise<void> {
  if (!(await makeSecretFile(file, surroundings.random))) {
    throw new Refusal('key-missing', `release: no key was made in ${file}: it is there already`)
  }
  console.log((await readKeyFile(file)).publicKey.toHex())
}

/** @throws Refusal `input-invalid` for a file that is absent, `key-missing` for one that is open to others or no key */
export async function readKeyFile(file: string): Promise<Ed25519Key> {
  const seed = await readSecretFile(file)
  if (seed !== undefined) return keyOf(seed)
  throw new Refusal('input-invalid', `release: key ${file} is absent: trellis release key --out makes one`)
}

/** The key of a seed, which is zero afterwards. */
export function keyOf(seed: Uint8Array): Ed25519Key {
  try {
    return generateEd25519(seed)
  } finally {
    seed.fill(0)
  }
}
