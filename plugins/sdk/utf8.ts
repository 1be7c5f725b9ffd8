/** UTF-8 for QuickJS, which has no TextEncoder. */

/** The high bits of the first byte, by how many bytes follow it. */
const leads = [0, 0xc0, 0xe0, 0xf0]

/** Text as UTF-8 bytes. Half a surrogate pair becomes U+FFFD, as everywhere on the web. */
export function encodeUtf8(text: string): Uint8Array {
  if (!beyondAscii.test(text)) return asciiBytes(text)
  const bytes = new Uint8Array(text.length * 3)
  let at = 0
  for (const character of text.toWellFormed()) {
    const code = character.codePointAt(0) ?? 0
    if (code < 0x80) bytes[at++] = code
    else {
      const rest = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3
      bytes[at++] = (leads[rest] ?? 0) | (code >> (6 * rest))
      for (let left = rest - 1; left >= 0; left--) bytes[at++] = 0x80 | ((code >> (6 * left)) & 0x3f)
    }
  }
  return bytes.slice(0, at)
}

/** UTF-8 bytes as text. What the host hands over is always well-formed; anything else becomes U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  let text = ''
  // Native calls on whole blocks: the interpreter is slow byte by byte, and most bodies are ASCII.
  for (let from = 0; from < bytes.length; from += BLOCK) {
    text += String.fromCharCode(...bytes.subarray(from, from + BLOCK))
  }
  return beyondAscii.test(text) ? decodeBytewise(bytes) : text
}

const BLOCK = 4_096
// oxlint-disable-next-line no-control-regex
const beyondAscii = /[^\x00-\x7f]/u

function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at)
  return bytes
}

function decodeBytewise(bytes: Uint8Array): string {
  let text = ''
  let at = 0
  while (at < bytes.length) {
    const { code, size } = decodeOne(bytes, at)
    text += String.fromCodePoint(code)
    at += size
  }
  return text
}

const smallest = [0, 0x80, 0x800, 0x10000]

function decodeOne(bytes: Uint8Array, at: number): { code: number; size: number } {
  const first = bytes[at] ?? 0
  if (first < 0x80) return { code: first, size: 1 }
  const rest = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 ? 2 : 1
  if (first < 0xc2 || first >= 0xf5) return replacement
  let code = first & (0x3f >> rest)
  for (let next = 1; next <= rest; next++) {
    const byte = bytes[at + next] ?? 0
    if ((byte & 0xc0) !== 0x80) return replacement
    code = (code << 6) | (byte & 0x3f)
  }
  const isSurrogate = code >= 0xd800 && code < 0xe000
  if (code < (smallest[rest] ?? 0) || code > 0x10ffff || isSurrogate) return replacement
  return { code, size: rest + 1 }
}

const replacement = { code: 0xfffd, size: 1 }
