/** A provider signs a line of its release log. Readers of the log need none of this. */
import { type Ed25519Key, signEd25519 } from '#host/crypto/ed25519.ts'

import { RELEASE_SIGNATURES_MIN } from './limits.ts'
import { entryMessage, type ReleaseEntry, writeLine } from './release-entry.ts'

/** A signed line, without its end of line. @throws Error for fewer keys than are needed: it is our code that asks */
export function signEntry(entry: ReleaseEntry, keys: readonly Ed25519Key[]): Uint8Array {
  if (keys.length < RELEASE_SIGNATURES_MIN) throw new Error(`a release is signed by ${RELEASE_SIGNATURES_MIN} keys`)
  const message = entryMessage(entry)
  const signed = keys.map((key) => ({ key: key.publicKey.toHex(), signature: signEd25519(key, message).toHex() }))
  return writeLine(entry, signed)
}
