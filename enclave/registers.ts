/** Platform configuration registers: 32 of SHA-384, each extended and then locked. Measuring is their only use. */
import { sha384 } from '#host/crypto/p384.ts'

import { REGISTER_BYTES, REGISTERS } from './limits.ts'

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
