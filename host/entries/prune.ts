/**
 * Forgetting versions: a signed `[1, user, entry, seq, hash, directory, at, by]`. The chain is then verified from the
 * version after it, whose `prev` is this hash.
 */
import type { SigningKey } from '#host/crypto/port.ts'
import { encodeCbor } from '#host/wire/cbor.ts'

import { SIGNATURE_BYTES } from './device.ts'
import { readFields } from './fields.ts'
import { HASH_BYTES, parseDeviceId, parseEntryId, parseHash, parseUserId, ULID_BYTES } from './ids.ts'
import { PRUNE_BYTES_MAX, ULID_TIME_MS_MAX, VERSIONS_MAX } from './limits.ts'
import type { Prune, SignedPrune } from './model.ts'
import type { EntryCrypto } from './port.ts'
import { readDirectoryHead } from './version.ts'

const CONTEXT = 'entries/1 prune'
const FORMAT = 1
const kind = { what: 'prune', code: 'entry-invalid', bytesMax: PRUNE_BYTES_MAX, itemsMax: 32 } as const

/** @throws Refusal `entry-invalid` for what `decodePrune` would not read */
export function signPrune(prune: Prune, signer: SigningKey): SignedPrune {
  const { user, entry, upTo, directory, at, by } = prune
  const head = [directory.seq, directory.hash]
  const payload = encodeCbor([FORMAT, user, entry, upTo.seq, upTo.hash, head, at, by])
  return decodePrune(encodeCbor([payload, signer.sign(CONTEXT, payload)]))
}

/** Reads one; whose it is remains to be judged. @throws Refusal `entry-invalid` */
export function decodePrune(bytes: Uint8Array): SignedPrune {
  const outer = readFields(kind, bytes)
  const payload = outer.bytesUpTo('payload', PRUNE_BYTES_MAX)
  const signature = outer.bytes('signature', SIGNATURE_BYTES)
  outer.end()
  const fields = readFields(kind, payload)
  fields.literal('format', FORMAT)
  const prune = {
    user: parseUserId(fields.bytes('user', HASH_BYTES)),
    entry: parseEntryId(fields.bytes('entry', ULID_BYTES)),
    upTo: { seq: fields.uint('seq', VERSIONS_MAX), hash: parseHash(fields.bytes('hash', HASH_BYTES)) },
    directory: readDirectoryHead(fields.inner('directory')),
    at: fields.uint('at', ULID_TIME_MS_MAX),
    by: parseDeviceId(fields.bytes('by', HASH_BYTES)),
  }
  fields.end()
  return { prune, bytes, payload, signature }
}

/** Whether the signature is this key's. */
export function verifyPrune(crypto: EntryCrypto, { payload, signature }: SignedPrune, signingKey: Uint8Array): boolean {
  return crypto.verify({ publicKey: signingKey, context: CONTEXT, message: payload, signature })
}
