/** Writes WebAssembly's numbers. */

/** Unsigned LEB128. */
export function encodeU32(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return [...bytes, rest]
}

/** Signed LEB128. */
export function encodeS32(value: number): number[] {
  const bytes: number[] = []
  let rest = value | 0
  for (;;) {
    const byte = rest & 0x7f
    rest >>= 7
    const isLast = (rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0)
    if (isLast) return [...bytes, byte]
    bytes.push(byte | 0x80)
  }
}
