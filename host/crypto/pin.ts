/** What a person can remember, as something to compare with: Argon2id (RFC 9106 §4, the second recommended option). */
import { argon2, timingSafeEqual } from 'node:crypto'

import { PIN_MEMORY_KIB, PIN_PASSES } from '#host/limits.ts'

export const PIN_SALT_BYTES = 16
const TAG_BYTES = 32

/** 32 bytes, some 100 ms on another thread. Equal text in another Unicode form gives the same. */
export function hashPin(pin: string, salt: Uint8Array): Promise<Uint8Array> {
  const message = new TextEncoder().encode(pin.normalize('NFC'))
  const cost = { memory: PIN_MEMORY_KIB, passes: PIN_PASSES, parallelism: 1, tagLength: TAG_BYTES }
  return new Promise((resolve, reject) => {
    argon2('argon2id', { message, nonce: salt, ...cost }, (error, tag) => {
      message.fill(0)
      if (error) reject(error)
      else resolve(new Uint8Array(tag))
    })
  })
}

/** Whether a PIN is the one that was hashed; the comparison takes as long either way. */
export async function isPin(pin: string, stored: { readonly salt: Uint8Array; readonly hash: Uint8Array }) {
  return timingSafeEqual(await hashPin(pin, stored.salt), stored.hash)
}
