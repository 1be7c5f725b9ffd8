/**
 * ULIDs as 16 bytes: 48 bits of milliseconds, 80 of randomness, ordered bytewise (github.com/ulid/spec). The text form
 * is Crockford's base 32 in upper case, and it is the only one: no lower case, no look-alike letters, no overflow.
 */
import { Refusal } from '#host/errors.ts'

import { ULID_BYTES } from './ids.ts'
import { ULID_STEP_BYTES, ULID_TIME_MS_MAX } from './limits.ts'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const TIME_BYTES = 6
const textPattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

/** 26 characters. */
export function ulidText(id: Uint8Array): string {
  let value = BigInt(`0x${id.toHex()}`)
  let text = ''
  for (let index = 0; index < 26; index++) {
    text = (ALPHABET[Number(value & 31n)] as string) + text
    value >>= 5n
  }
  return text
}

/** @throws Refusal `malformed` unless the text is what `ulidText` gives */
export function parseUlid(text: string): Uint8Array {
  if (!textPattern.test(text))
    throw new Refusal('malformed', 'ulid: must be 26 of 0-9 A-Z without I L O U, in upper case')
  let value = 0n
  for (const character of text) value = (value << 5n) | BigInt(ALPHABET.indexOf(character))
  return Uint8Array.fromHex(value.toString(16).padStart(ULID_BYTES * 2, '0'))
}

/** Milliseconds since the epoch, as its maker's clock said. */
export function ulidTime(id: Uint8Array): number {
  return id.subarray(0, TIME_BYTES).reduce((time, byte) => time * 256 + byte, 0)
}

/** When an id is made, and of what. */
export interface UlidPlace {
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly random: (count: number) => Uint8Array
}

/**
 * A maker whose ids ascend strictly, also when the clock stands still or goes back. Within one millisecond the next one
 * is higher by a random step.
 */
export function createUlids(): (place: UlidPlace) => Uint8Array {
  let last: Uint8Array = new Uint8Array(ULID_BYTES)
  return ({ now, random }) => {
    if (!Number.isInteger(now) || now < 0 || now > ULID_TIME_MS_MAX) throw new Error(`ulid: no time: ${now}`)
    const time = ulidTime(last)
    last = now > time ? fresh(now, random) : stepped(last, random)
    return last.slice()
  }
}

function fresh(now: number, random: UlidPlace['random']): Uint8Array {
  const id = new Uint8Array(ULID_BYTES)
  let rest = now
  for (let index = TIME_BYTES - 1; index >= 0; index--) {
    id[index] = rest % 256
    rest = Math.floor(rest / 256)
  }
  id.set(random(ULID_BYTES - TIME_BYTES), TIME_BYTES)
  return id
}

/** Carries into the time when the random part overflows: still higher, and no error for what is no one's fault. */
function stepped(last: Uint8Array, random: UlidPlace['random']): Uint8Array {
  const id = last.slice()
  let carry = random(ULID_STEP_BYTES).reduce((step, byte) => step * 256 + byte, 0) + 1
  for (let index = ULID_BYTES - 1; index >= 0 && carry > 0; index--) {
    const sum = (id[index] as number) + carry
    id[index] = sum % 256
    carry = Math.floor(sum / 256)
  }
  return id
}
