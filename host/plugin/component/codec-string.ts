/** Text. Both sides use UTF-8; what is not UTF-8 traps. */
import type { Codec } from './codec.ts'
import { allocate, checkRange, type Context, numberAt, spend } from './context.ts'
import { lied } from './trap.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** Short ASCII is quicker by hand than through TextDecoder. */
const SHORT_BYTES = 32

function liftText(context: Context, pointer: number, length: number): string {
  const size = length >>> 0
  spend(context, size)
  const at = checkRange(context, pointer, size, 1)
  const { bytes } = context
  if (size <= SHORT_BYTES) {
    let text = ''
    let index = at
    for (; index < at + size; index += 1) {
      const byte = bytes[index] ?? 0x80
      if (byte >= 0x80) break
      text += String.fromCharCode(byte)
    }
    if (index === at + size) return text
  }
  try {
    return decoder.decode(bytes.subarray(at, at + size))
  } catch {
    throw lied('text is not UTF-8')
  }
}

/** @returns the pointer and the byte length */
function lowerText(context: Context, value: unknown): [number, number] {
  if (typeof value !== 'string') throw lied('text is expected')
  if (isShortAscii(value)) {
    const at = allocate(context, value.length, 1)
    for (let index = 0; index < value.length; index += 1) context.bytes[at + index] = value.charCodeAt(index)
    return [at, value.length]
  }
  const encoded = encoder.encode(value)
  const at = allocate(context, encoded.length, 1)
  context.bytes.set(encoded, at)
  return [at, encoded.length]
}

function isShortAscii(text: string): boolean {
  if (text.length > SHORT_BYTES) return false
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) >= 0x80) return false
  return true
}

export const stringCodec: Codec = {
  load: (context, at) => liftText(context, context.view.getUint32(at, true), context.view.getUint32(at + 4, true)),
  store: (context, value, at) => {
    const [pointer, length] = lowerText(context, value)
    context.view.setUint32(at, pointer, true)
    context.view.setUint32(at + 4, length, true)
  },
  lift: (context, flat, at) => liftText(context, numberAt(flat, at), numberAt(flat, at + 1)),
  lower: (context, value, flat, at) => {
    const [pointer, length] = lowerText(context, value)
    flat[at] = pointer
    flat[at + 1] = length
  },
}
