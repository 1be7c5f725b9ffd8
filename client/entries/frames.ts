/**
 * Bytes as the text of QR codes: a new device shows its keys, another reads them. Each frame is
 * `TV1 <kind> <index>/<count> <checksum> <base 32>`, in the alphanumeric set of QR codes, so that codes hold most;
 * the checksum is over the whole, so that frames of two messages never mix.
 */
import type { DeviceKeys } from '#host/entries/model.ts'
import type { EntryCrypto } from '#host/entries/port.ts'
import { Refusal } from '#host/errors.ts'
import { joinBytes } from '#host/wire/bytes.ts'

import { FRAME_CHARS_MAX, FRAMES_MAX } from './limits.ts'

/** RFC 4648 §6, without padding. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** 65 bits of the hash: against misreading and mixing. Whoever forges keys is met by whom the owner shows them to. */
const CHECK_CHARS = 13
const HEAD_CHARS_MAX = 40
const BODY_CHARS = FRAME_CHARS_MAX - HEAD_CHARS_MAX
const pattern = /^TV1 ([A-Z]{1,8}) ([1-9][0-9]?)\/([1-9][0-9]?) ([A-Z2-7]{13}) ([A-Z2-7]+)$/

export type FrameKind = 'KEYS' | 'VIEW'

/** @throws Refusal `too-large` for what needs too many frames */
export function encodeFrames(crypto: EntryCrypto, kind: FrameKind, bytes: Uint8Array): string[] {
  const text = toBase32(bytes)
  const count = Math.max(1, Math.ceil(text.length / BODY_CHARS))
  if (count > FRAMES_MAX) throw new Refusal('too-large', `frames: ${count}, at most ${FRAMES_MAX}`)
  const check = checksum(crypto, kind, bytes)
  return Array.from({ length: count }, (_, index) => {
    const body = text.slice(index * BODY_CHARS, (index + 1) * BODY_CHARS)
    return `TV1 ${kind} ${index + 1}/${count} ${check} ${body}`
  })
}

/** Collects frames in whatever order and however often they are seen. */
export interface FrameReader {
  /** How many are still to be seen; null before the first. */
  readonly missing: number | null
  /**
   * The bytes once all frames were seen, undefined before.
   *
   * @throws Refusal `malformed` for what is no frame, or is of another message than the first: that one is kept
   */
  take(text: string): Uint8Array | undefined
}

export function readFrames(crypto: EntryCrypto, kind: FrameKind): FrameReader {
  const bodies = new Map<number, string>()
  let message: { readonly count: number; readonly check: string } | undefined
  return {
    get missing() {
      return message === undefined ? null : message.count - bodies.size
    },
    take(text) {
      const frame = parseFrame(text)
      if (frame.kind !== kind) throw new Refusal('malformed', `frame: ${frame.kind}, not ${kind}`)
      message ??= { count: frame.count, check: frame.check }
      if (frame.count !== message.count || frame.check !== message.check) {
        throw new Refusal('malformed', 'frame: of another message than the first: start again')
      }
      bodies.set(frame.index, frame.body)
      if (bodies.size < frame.count) return undefined
      const whole = Array.from({ length: frame.count }, (_, index) => bodies.get(index + 1)).join('')
      const bytes = fromBase32(whole)
      if (checksum(crypto, kind, bytes) === frame.check) return bytes
      bodies.clear()
      throw new Refusal('malformed', 'frames: read wrong: start again')
    },
  }
}

/** A device's public keys, as it shows them to the one that is to vouch for it: `parseDeviceKeys` reads them. */
export function encodeKeyFrames(crypto: EntryCrypto, { signing, sealing }: DeviceKeys): string[] {
  return encodeFrames(crypto, 'KEYS', joinBytes([signing, sealing]))
}

interface Frame {
  readonly kind: string
  readonly index: number
  readonly count: number
  readonly check: string
  readonly body: string
}

function parseFrame(text: string): Frame {
  const [, kind = '', index, count, check = '', body = ''] = pattern.exec(text.slice(0, FRAME_CHARS_MAX + 1)) ?? []
  const frame = { kind, index: Number(index), count: Number(count), check, body }
  const isRight = frame.index <= frame.count && frame.count <= FRAMES_MAX && text.length <= FRAME_CHARS_MAX
  if (!isRight) throw new Refusal('malformed', 'frame: not one of ours')
  return frame
}

function checksum(crypto: EntryCrypto, kind: FrameKind, bytes: Uint8Array): string {
  const label = new TextEncoder().encode(`entries/1 frames ${kind}\0`)
  return toBase32(crypto.digest(label, bytes)).slice(0, CHECK_CHARS)
}

function toBase32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = (value << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(value >>> (bits - 5)) & 31]
    value &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + ALPHABET[(value << (5 - bits)) & 31]
}

/** The checksum says whether these were the bytes. */
function fromBase32(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let at = 0
  let bits = 0
  let value = 0
  for (const character of text) {
    value = (value << 5) | ALPHABET.indexOf(character)
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = value >>> bits
    value &= (1 << bits) - 1
  }
  return bytes
}
