// JSON as the host writes it (no spaces, one form per value), read by position; and base64url without padding.

const QUOTE: i32 = 0x22
const BACKSLASH: i32 = 0x5c
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The JSON of a member of an object; `null` when there is none of this name. */
export function member(json: string, name: string): string | null {
  let at = 1
  while (at < json.length && json.charCodeAt(at) == QUOTE) {
    const keyEnd = endOf(json, at)
    const end = endOf(json, keyEnd + 1)
    if (textOf(json.substring(at, keyEnd)) == name) return json.substring(keyEnd + 1, end)
    at = end + 1
  }
  return null
}

/** The JSON of each element of an array. */
export function elements(json: string): string[] {
  const found: string[] = []
  for (let at = 1; at < json.length - 1; ) {
    const end = endOf(json, at)
    found.push(json.substring(at, end))
    at = end + 1
  }
  return found
}

/** Where the value that starts at `from` ends. */
function endOf(json: string, from: i32): i32 {
  let depth = 0
  let inText = false
  for (let at = from; at < json.length; at++) {
    const letter = json.charCodeAt(at)
    if (inText) {
      if (letter == BACKSLASH) at++
      else if (letter == QUOTE) {
        inText = false
        if (depth == 0) return at + 1
      }
    } else if (letter == QUOTE) inText = true
    else if (letter == 0x7b || letter == 0x5b) depth++
    else if (letter == 0x7d || letter == 0x5d) {
      if (depth == 0) return at
      depth--
      if (depth == 0) return at + 1
    } else if (letter == 0x2c && depth == 0) return at
    else if (letter == 0x3a && depth == 0) return at
  }
  return json.length
}

/** The text of a JSON string. */
export function textOf(json: string): string {
  let text = ''
  for (let at = 1; at < json.length - 1; at++) {
    if (json.charCodeAt(at) != BACKSLASH) {
      text += json.charAt(at)
      continue
    }
    at++
    const letter = json.charAt(at)
    if (letter == 'u') {
      text += String.fromCharCode(<i32>parseInt(json.substring(at + 1, at + 5), 16))
      at += 4
    } else if (letter == 'b') text += '\b'
    else if (letter == 'f') text += '\f'
    else if (letter == 'n') text += '\n'
    else if (letter == 'r') text += '\r'
    else if (letter == 't') text += '\t'
    else text += letter
  }
  return text
}

/** A text as JSON. */
export function quoted(text: string): string {
  let json = '"'
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code == QUOTE || code == BACKSLASH) json += '\\' + text.charAt(at)
    else if (code < 0x20) json += '\\u00' + (code < 0x10 ? '0' : '1') + (code & 15).toString(16)
    else json += text.charAt(at)
  }
  return json + '"'
}

export function encodeBase64url(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at
    const second = left > 1 ? <i32>bytes[at + 1] : 0
    const third = left > 2 ? <i32>bytes[at + 2] : 0
    const word = ((<i32>bytes[at]) << 16) | (second << 8) | third
    const letters = (left < 3 ? left : 3) + 1
    for (let index = 0; index < letters; index++) text += ALPHABET.charAt((word >> (18 - 6 * index)) & 63)
  }
  return text
}

/** `null` unless the text is what `encodeBase64url` would write. */
export function decodeBase64url(text: string): Uint8Array | null {
  const bytes = new Uint8Array((text.length * 3) / 4)
  let at = 0
  let word = 0
  let bits = 0
  for (let index = 0; index < text.length; index++) {
    const value = ALPHABET.indexOf(text.charAt(index))
    if (value < 0) return null
    word = ((word << 6) | value) & 0xffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = <u8>((word >> bits) & 0xff)
    }
  }
  return encodeBase64url(bytes) == text ? bytes : null
}
