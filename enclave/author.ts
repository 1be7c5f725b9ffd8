/**
 * An author's word for a handler: a detached Ed25519 signature over its manifest and component. It says who made it;
 * whether it runs, the image decides that lists it.
 */
import { type Ed25519Key, importEd25519, signEd25519, verifyEd25519 } from '#host/crypto/ed25519.ts'
import { sha384 } from '#host/crypto/p384.ts'
import { ED25519_BYTES } from '#host/crypto/sizes.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import { Rejection } from './errors.ts'
import { AUTHOR_SIGNATURE_BYTES_MAX } from './limits.ts'

/** What is signed: both files as an image lists them. */
export interface AuthoredHandler {
  readonly id: string
  readonly manifest: Uint8Array
  readonly component: Uint8Array
}

const CONTEXT = 'trellis/handler/1'

/** The signature as a file: vine-CBOR `[key, signature]`. */
export function signHandler(handler: AuthoredHandler, key: Ed25519Key): Uint8Array {
  return encodeCbor([key.publicKey, signEd25519(key, messageOf(handler))])
}

/**
 * Whose signature it is.
 *
 * @returns the author's key, 32 bytes
 * @throws Rejection `author-mismatch` unless it is a signature over this very handler
 */
export function authorOf(handler: AuthoredHandler, file: Uint8Array): Uint8Array {
  const { key, signature } = parseSignature(handler.id, file)
  if (verifyEd25519(importEd25519(key), { message: messageOf(handler), signature })) return key
  throw mismatch(handler.id, 'does not sign it')
}

function parseSignature(id: string, file: Uint8Array): { key: Uint8Array; signature: Uint8Array } {
  if (file.length > AUTHOR_SIGNATURE_BYTES_MAX) throw mismatch(id, `has ${file.length} bytes`)
  let value: Cbor
  try {
    value = decodeCbor(file)
  } catch (cause) {
    throw mismatch(id, 'cannot be read', cause)
  }
  const [key, signature, ...rest] = Array.isArray(value) ? value : []
  if (
    !(key instanceof Uint8Array && signature instanceof Uint8Array) ||
    key.length !== ED25519_BYTES ||
    rest.length > 0
  ) {
    throw mismatch(id, 'is no key and signature')
  }
  return { key, signature }
}

function messageOf({ id, manifest, component }: AuthoredHandler): Uint8Array {
  return encodeCbor([CONTEXT, id, sha384(manifest), sha384(component)])
}

function mismatch(id: string, how: string, cause?: unknown): Rejection {
  return new Rejection('author-mismatch', `handler ${id}: its author’s signature ${how}`, { cause })
}
