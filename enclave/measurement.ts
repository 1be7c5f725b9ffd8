/** What registers say: which of them hold an image's roots, and the one name of what runs. */
import type { Sha384 } from '#host/crypto/evidence-port.ts'
import { encodeCbor } from '#host/wire/cbor.ts'

import { REGISTER_BYTES } from './limits.ts'

/** Root of the image's files. */
export const IMAGE_REGISTER = 16
/** Root of its handlers alone. */
export const HANDLER_REGISTER = 17

const ZERO = new Uint8Array(REGISTER_BYTES)

/** What a register holds after one extension: what a policy pins for a root. */
export function extendedOnce(crypto: Sha384, data: Uint8Array): Uint8Array {
  return crypto.sha384(ZERO, data)
}

/** Whether a register was never extended, or is not there. */
export function isUntouched(value: Uint8Array | undefined): boolean {
  return value === undefined || value.every((byte) => byte === 0)
}

/**
 * Names what runs: SHA-384 of kind, PCR0 to PCR2 and PCR16. Seals, approvals and policies use this one name. The kind
 * is in it, so that no software attestor reaches the name of an enclave.
 */
export function measurementOf(
  crypto: Sha384,
  kind: 'nitro' | 'software',
  registers: ReadonlyMap<number, Uint8Array>,
): Uint8Array {
  const measured = [0, 1, 2, IMAGE_REGISTER].map((index) => registers.get(index) ?? ZERO)
  return crypto.sha384(encodeCbor(['trellis/measurement/1', kind, ...measured]))
}
