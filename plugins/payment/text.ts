/** Which texts of an asker are shown to the owner. */
import { encodeUtf8 } from '../sdk/utf8.ts'

/** With the asker's name, the amount and the reference it fits the 512 bytes of a question. */
const PAYEE_BYTES_MAX = 128

/** First and last of what is not seen, turns the order of what is, or is nobody's. Fixed: all languages agree. */
const unreadable: readonly (readonly [number, number])[] = [
  [0x0, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xd800, 0xf8ff],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff0, 0xffff],
  [0xe0000, 0x10ffff],
]

/** A line that a person can read: neither empty nor of spaces alone, and at most 128 bytes. */
export function isReadable(text: string): boolean {
  const codes = Array.from(text, (character) => character.codePointAt(0) ?? 0)
  if (encodeUtf8(text).length > PAYEE_BYTES_MAX || codes.every((code) => code === 0x20)) return false
  return codes.every((code) => !unreadable.some(([first, last]) => code >= first && code <= last))
}

/** It is part of a key in the store, and of the question: visible ASCII. */
export function isReference(text: string): boolean {
  return /^[!-~]+$/u.test(text)
}
