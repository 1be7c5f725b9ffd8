/** Sealing under a long-lived key: each blob `salt 16 | AES-256-GCM` has a key of its own, derived with its salt. */
import { createHmac, type KeyObject } from 'node:crypto'

import { Refusal } from '#host/errors.ts'

import { openAead, sealAead } from './aead.ts'
import { plain } from './kdf.ts'
import { NONCE_BYTES } from './sizes.ts'

const SALT_BYTES = 16
const NONCE = new Uint8Array(NONCE_BYTES)

interface Salted {
  readonly key: KeyObject
  /** What the blob is for: it opens with the same alone. */
  readonly aad: Uint8Array
}

/** 32 bytes more than the secret, which stays the caller's to wipe. */
export function sealSalted(
  { key, aad }: Salted,
  secret: Uint8Array,
  random: (length: number) => Uint8Array,
): Uint8Array {
  const salt = random(SALT_BYTES)
  const once = keyOf(key, salt)
  const sealed = sealAead(once, { nonce: NONCE, aad }, secret)
  once.fill(0)
  const blob = new Uint8Array(SALT_BYTES + sealed.length)
  blob.set(salt)
  blob.set(sealed, SALT_BYTES)
  return blob
}

/** @throws Refusal `unopenable` */
export function openSalted({ key, aad }: Salted, blob: Uint8Array): Uint8Array {
  if (blob.length < SALT_BYTES) throw new Refusal('unopenable', 'sealed: shorter than its salt')
  const once = keyOf(key, blob.subarray(0, SALT_BYTES))
  try {
    return openAead(once, { nonce: NONCE, aad }, blob.subarray(SALT_BYTES))
  } finally {
    once.fill(0)
  }
}

function keyOf(key: KeyObject, salt: Uint8Array): Uint8Array {
  return plain(createHmac('sha256', key).update('trellis/salted/1\0').update(salt).digest())
}
