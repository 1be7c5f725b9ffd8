/** The bytes of a message to sign: no two lists of parts give the same. */
import { encodeUtf8 } from './utf8.ts'

/** A text (UTF-8) or bytes after their length as a big-endian u32; a number as a big-endian u64. */
export function statementOf(parts: readonly (string | number | Uint8Array)[]): Uint8Array {
  const coded = parts.map((part) => (typeof part === 'string' ? encodeUtf8(part) : part))
  const sizes = coded.map((part) => (typeof part === 'number' ? 8 : 4 + part.length))
  const message = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0))
  const view = new DataView(message.buffer)
  let at = 0
  for (const [index, part] of coded.entries()) {
    if (typeof part === 'number') {
      view.setUint32(at, Math.floor(part / 0x1_0000_0000))
      view.setUint32(at + 4, part % 0x1_0000_0000)
    } else {
      view.setUint32(at, part.length)
      message.set(part, at + 4)
    }
    at += sizes[index] ?? 0
  }
  return message
}
