/**
 * msgpack for bytes that never leave our hands: cell messages and what is inside a journal frame's seal. It is not
 * canonical and not safe on bytes from others; those are vine-CBOR.
 */
// This entry leaves out the native addon, which the package's own entry would load from the environment.
import { Packr } from 'msgpackr/pack'

// No records: they compile code from data. No structured clone: it revives cycles and shared references.
const options = {
  useRecords: false,
  structuredClone: false,
  moreTypes: false,
  variableMapSize: true,
  useBigIntExtension: true,
  int64AsType: 'bigint',
  copyBuffers: true,
} as const
const packr = new Packr(options)

/**
 * Plain data (null, booleans, numbers, text, bigints, arrays, plain objects, Uint8Array) to bytes of its own. A key
 * `__proto__` does not survive: keys are our own names, never a peer's.
 */
export function pack(value: unknown): Uint8Array {
  return new Uint8Array(packr.pack(value))
}

/** The inverse of `pack`; byte strings are copies. Of other bytes it makes a plain Error or nonsense. */
export function unpack(bytes: Uint8Array): unknown {
  // From a Buffer it would make Buffers.
  return packr.unpack(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}
