/** Platform configuration registers: 32 of SHA-384, each extended and then locked. Measuring is their only use. */
import { sha384 } from '#host/crypto/p384.ts'
import { encodeCbor } from '#host/wire/cbor.ts'

import { REGISTER_BYTES, REGISTERS } from './limits.ts'

/** Root of the image's files. */
export const IMAGE_REGISTER = 16
/** Root of its handlers alone. */
export const HANDLER_REGISTER = 17

const ZERO = new Uint8Array(REGISTER_BYTES)

export interface Registers {
  /** A copy of every register. */
  read(): ReadonlyMap<number, Uint8Array>
  /** SHA-384 of the old value and the data. @throws Error when the register is locked: it is our code that asks */
  extend(index: number, data: Uint8Array): void
  /** For good: nothing unlocks. */
  lock(index: number): void
}

export function openRegisters(): Registers {
  const values: Uint8Array[] = Array.from({ length: REGISTERS }, () => ZERO)
  const locked = new Set<number>()
  const valueOf = (index: number): Uint8Array => {
    const value = values[index]
    if (value) return value
    throw new Error(`there is no register ${index}`)
  }
  return {
    read: () => new Map(values.map((value, index) => [index, value.slice()])),
    extend(index, data) {
      const value = valueOf(index)
      if (locked.has(index)) throw new Error(`register ${index} is locked`)
      values[index] = sha384(value, data)
    },
    lock(index) {
      valueOf(index)
      locked.add(index)
    },
  }
}

/** What a register holds after one extension: what a policy pins for a root. */
export function extendedOnce(data: Uint8Array): Uint8Array {
  return sha384(ZERO, data)
}

/** Whether a register was never extended, or is not there. */
export function isUntouched(value: Uint8Array | undefined): boolean {
  return value === undefined || value.every((byte) => byte === 0)
}

/**
 * Names what runs: SHA-384 of kind, PCR0 to PCR2 and PCR16. Seals, approvals and policies use this one name. The kind
 * is in it, so that no software attestor reaches the name of an enclave.
 */
export function measurementOf(kind: 'nitro' | 'software', registers: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const measured = [0, 1, 2, IMAGE_REGISTER].map((index) => registers.get(index) ?? ZERO)
  return sha384(encodeCbor(['trellis/measurement/1', kind, ...measured]))
}
