/**
 * Outline and content, each under a key of its own that one version uses once. A sealed part begins with a commitment
 * to its key: what opens under one key opens under no other.
 *
 * `okm = HKDF(salt "entries/1 part", key, part ‖ user ‖ entry ‖ version, 64)`; sealed =
 * `okm[0..32] ‖ AES-256-GCM(okm[32..64], nonce 0, aad = the info, padmé(plaintext))`.
 */
import { Refusal } from '#host/errors.ts'
import { equalBytes, joinBytes } from '#host/wire/bytes.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { pad, paddedLength, unpad } from '#host/wire/padding.ts'

import { isText, readFields } from './fields.ts'
import { type Hash, HASH_BYTES, parseHash } from './ids.ts'
import {
  CONTENT_BYTES_MAX,
  OUTLINE_BYTES_MAX,
  OUTLINE_TITLE_CHARS_MAX,
  OUTLINE_URL_CHARS_MAX,
  OUTLINE_URLS_MAX,
} from './limits.ts'
import type { Outline, VersionHeader } from './model.ts'
import type { EntryCrypto } from './port.ts'

export const PART_KEY_BYTES = 32
/** Commitment and tag. */
const SEAL_OVERHEAD_BYTES = 48
/** Every key here seals one message. */
export const ZERO_NONCE = new Uint8Array(12)

const utf8 = new TextEncoder()
const SALT = utf8.encode('entries/1 part')
const HASH_LABEL = utf8.encode('entries/1 sealed')
const names = { outline: utf8.encode('outline'), content: utf8.encode('content') }
const FORMAT = 1
const kindPattern = /^[a-z][a-z0-9-]{0,31}$/
const KIND_CHARS_MAX = 32
const bounds = { outline: OUTLINE_BYTES_MAX, content: CONTENT_BYTES_MAX }

export type Part = 'outline' | 'content'
/** Whose part it is. */
export type PartPlace = Pick<VersionHeader, 'user' | 'entry' | 'version'> & { readonly part: Part }

/** @throws Refusal `too-large` for more than the part may hold */
export function sealPart(crypto: EntryCrypto, place: PartPlace, key: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const max = bounds[place.part]
  if (paddedLength(plaintext.length) + SEAL_OVERHEAD_BYTES > max) {
    throw new Refusal('too-large', `${place.part}: ${plaintext.length} bytes, at most ${max} once padded and sealed`)
  }
  return withKeys(crypto, place, key, ({ commitment, sealing, info }) =>
    joinBytes([commitment, crypto.seal({ key: sealing, nonce: ZERO_NONCE, aad: info }, pad(plaintext))]),
  )
}

/** @throws Refusal `unopenable` when it was not sealed with this key for this place */
export function openPart(crypto: EntryCrypto, place: PartPlace, key: Uint8Array, sealed: Uint8Array): Uint8Array {
  return withKeys(crypto, place, key, ({ commitment, sealing, info }) => {
    if (sealed.length > bounds[place.part] || !equalBytes(sealed.subarray(0, HASH_BYTES), commitment)) {
      throw new Refusal('unopenable', `${place.part}: sealed with another key, or for another place`)
    }
    return unpad(crypto.open({ key: sealing, nonce: ZERO_NONCE, aad: info }, sealed.subarray(HASH_BYTES)))
  })
}

/** What a header holds of a sealed part: SHA-256 of `entries/1 sealed` and its bytes. */
export function hashSealed(crypto: EntryCrypto, sealed: Uint8Array): Hash {
  return parseHash(crypto.digest(HASH_LABEL, sealed))
}

/** Vine-CBOR `[1, title, kind, urls]`. @throws Refusal `entry-invalid` for what is no outline */
export function encodeOutline({ title, kind, urls }: Outline): Uint8Array {
  const bytes = encodeCbor([FORMAT, title, kind, urls])
  decodeOutline(bytes)
  return bytes
}

/** @throws Refusal `entry-invalid` */
export function decodeOutline(bytes: Uint8Array): Outline {
  const limits = { what: 'outline', code: 'entry-invalid', bytesMax: OUTLINE_BYTES_MAX, itemsMax: 16 } as const
  const fields = readFields(limits, bytes)
  fields.literal('format', FORMAT)
  const title = fields.text('title', OUTLINE_TITLE_CHARS_MAX)
  const kind = fields.text('kind', KIND_CHARS_MAX)
  const urls = fields.list('urls', OUTLINE_URLS_MAX, (item) => item.text('url', OUTLINE_URL_CHARS_MAX))
  fields.end()
  if (!isKind(kind)) throw new Refusal('entry-invalid', 'outline: kind must be a lower-case name')
  return { title, kind, urls }
}

function isKind(kind: string): boolean {
  return isText(kind, KIND_CHARS_MAX) && kindPattern.test(kind)
}

interface PartKeys {
  readonly commitment: Uint8Array
  readonly sealing: Uint8Array
  readonly info: Uint8Array
}

function withKeys<T>(crypto: EntryCrypto, place: PartPlace, key: Uint8Array, use: (keys: PartKeys) => T): T {
  const info = joinBytes([names[place.part], place.user, place.entry, place.version])
  const okm = crypto.derive({ salt: SALT, input: key, info, length: 2 * HASH_BYTES })
  try {
    return use({ commitment: okm.slice(0, HASH_BYTES), sealing: okm.subarray(HASH_BYTES), info })
  } finally {
    okm.fill(0)
  }
}
