// Bodies of events: JSON that the host has checked, base64url, and messages to sign.
import { jsonText, toBytes } from './world.as'

export enum Kind { Null, Bool, Number, Text, List, Object }

/** A value of JSON. */
export class Json {
  /** Of an object: its members' names, beside `items`. */
  names: string[] = []
  items: Json[] = []
  constructor(public kind: Kind, /** A text; or `true`, `false` and a number as they are written. */ public text: string = '') {}

  /** A member that is there, and not null. */
  get(name: string): Json | null {
    const at = this.names.indexOf(name)
    return at < 0 || this.items[at].kind == Kind.Null ? null : this.items[at]
  }

  has(name: string): bool {
    return this.names.includes(name)
  }

  /** Empty when it is no text. */
  textOf(name: string): string {
    const value = this.get(name)
    return value == null || value.kind != Kind.Text ? '' : value.text
  }

  /** `otherwise` when it is no number. Whole numbers only. */
  wholeOf(name: string, otherwise: i64): i64 {
    const value = this.get(name)
    return value == null || value.kind != Kind.Number ? otherwise : I64.parseInt(value.text)
  }

  /** Empty when it is no list. */
  listOf(name: string): Json[] {
    const value = this.get(name)
    return value == null || value.kind != Kind.List ? [] : value.items
  }

  write(): string {
    if (this.kind == Kind.Null) return 'null'
    if (this.kind == Kind.Text) return jsonText(this.text)
    if (this.kind != Kind.List && this.kind != Kind.Object) return this.text
    const texts: string[] = []
    for (let at = 0; at < this.items.length; at++) {
      const value = this.items[at].write()
      texts.push(this.kind == Kind.Object ? jsonText(this.names[at]) + ':' + value : value)
    }
    return this.kind == Kind.Object ? '{' + texts.join(',') + '}' : '[' + texts.join(',') + ']'
  }
}

/** Reads a body, or a value that was written as JSON. */
export function readJson(text: string): Json {
  return new Reader(text).value()
}

class Reader {
  private at: i32 = 0
  constructor(private source: string) {}

  value(): Json {
    const code = this.peek()
    if (code == 0x7b) return this.members()
    if (code == 0x5b) return this.list()
    if (code == 0x22) return new Json(Kind.Text, this.string())
    const from = this.at
    while (this.at < this.source.length && isWord(this.source.charCodeAt(this.at))) this.at++
    // Anything but JSON ends the event here.
    if (this.at == from) unreachable()
    const word = this.source.substring(from, this.at)
    if (word == 'null') return new Json(Kind.Null)
    return new Json(word == 'true' || word == 'false' ? Kind.Bool : Kind.Number, word)
  }

  /** The next code unit that is no space; 0 at the end. */
  private peek(): i32 {
    while (this.at < this.source.length && this.source.charCodeAt(this.at) <= 0x20) this.at++
    return this.at < this.source.length ? this.source.charCodeAt(this.at) : 0
  }

  private members(): Json {
    const object = new Json(Kind.Object)
    this.at++
    while (this.peek() != 0x7d) {
      object.names.push(this.string())
      this.peek()
      this.at++
      object.items.push(this.value())
      if (this.peek() == 0x2c) this.at++
    }
    this.at++
    return object
  }

  private list(): Json {
    const list = new Json(Kind.List)
    this.at++
    while (this.peek() != 0x5d) {
      list.items.push(this.value())
      if (this.peek() == 0x2c) this.at++
    }
    this.at++
    return list
  }

  private string(): string {
    let text = ''
    this.at++
    while (this.source.charCodeAt(this.at) != 0x22) {
      const from = this.at
      while (this.source.charCodeAt(this.at) != 0x22 && this.source.charCodeAt(this.at) != 0x5c) {
        if (++this.at >= this.source.length) unreachable()
      }
      text += this.source.substring(from, this.at)
      if (this.source.charCodeAt(this.at) == 0x5c) text += this.escaped()
    }
    this.at++
    return wellFormed(text)
  }

  private escaped(): string {
    const kind = this.source.charAt(this.at + 1)
    this.at += 2
    if (kind == 'n') return '\n'
    if (kind == 't') return '\t'
    if (kind == 'r') return '\r'
    if (kind == 'b') return '\b'
    if (kind == 'f') return '\f'
    if (kind != 'u') return kind
    this.at += 4
    return String.fromCharCode(<i32>I64.parseInt(this.source.substring(this.at - 4, this.at), 16))
  }
}

function isWord(code: i32): bool {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x7a) || code == 0x45 || code == 0x2d || code == 0x2b || code == 0x2e
}

/** Half a surrogate pair becomes U+FFFD, as everywhere. */
function wellFormed(text: string): string {
  let whole = ''
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const isFirst = (code & 0xfc00) == 0xd800
    if (isFirst && at + 1 < text.length && (text.charCodeAt(at + 1) & 0xfc00) == 0xdc00) whole += text.substring(at, ++at + 1)
    else whole += (code & 0xf800) == 0xd800 ? '\ufffd' : text.charAt(at)
  }
  return whole
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** RFC 4648 §5, without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    let word = <u32>bytes[at] << 16
    if (at + 1 < bytes.length) word |= <u32>bytes[at + 1] << 8
    if (at + 2 < bytes.length) word |= <u32>bytes[at + 2]
    const characters = min(bytes.length - at, 3) + 1
    for (let index = 0; index < characters; index++) text += ALPHABET.charAt((word >> (18 - 6 * index)) & 63)
  }
  return text
}

/** Null unless the text is what `encodeBase64url` would write. */
export function decodeBase64url(text: string): Uint8Array | null {
  const bytes = new Uint8Array((text.length * 3) / 4)
  let at = 0
  let word: u32 = 0
  let bits = 0
  for (let index = 0; index < text.length; index++) {
    const value = ALPHABET.indexOf(text.charAt(index))
    if (value < 0) return null
    word = ((word << 6) | value) & 0xffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = <u8>(word >> bits)
    }
  }
  return encodeBase64url(bytes) == text ? bytes : null
}

/** A message to sign: each text or list of bytes after its length in four bytes, numbers in eight, big-endian. */
export class Message {
  bytes: Uint8Array = new Uint8Array(0)

  /** `domain` names the protocol: no other message of the key may begin like it. */
  constructor(domain: string) {
    this.text(domain)
  }

  text(text: string): Message {
    return this.part(toBytes(text))
  }

  part(bytes: Uint8Array): Message {
    const from = this.grow(4 + bytes.length)
    store<u32>(this.bytes.dataStart + from, bswap<u32>(bytes.length))
    memory.copy(this.bytes.dataStart + from + 4, bytes.dataStart, bytes.length)
    return this
  }

  number(value: u64): Message {
    const from = this.grow(8)
    store<u64>(this.bytes.dataStart + from, bswap<u64>(value))
    return this
  }

  private grow(by: i32): usize {
    const from = this.bytes.length
    const longer = new Uint8Array(from + by)
    longer.set(this.bytes)
    this.bytes = longer
    return from
  }
}
