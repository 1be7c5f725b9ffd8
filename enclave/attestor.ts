/** Attestors: who measures what runs, and says so in a signed document. */
import { type Ed25519Key, signEd25519 } from '#host/crypto/ed25519.ts'

import { openRegisters, type Registers } from './registers.ts'
import { encodeSoftware } from './software.ts'

/** What a document is to carry. Each at most 1,024 bytes. */
export interface Asked {
  readonly publicKey?: Uint8Array | undefined
  readonly userData?: Uint8Array | undefined
  readonly nonce?: Uint8Array | undefined
}

/** Who holds registers. */
export interface Measures {
  /** SHA-384 of the old value and the data. @throws Error for a register that is locked or not there */
  extend(index: number, data: Uint8Array): Promise<void>
  /** Registers 0 to `count` − 1, for good. */
  lockBelow(count: number): Promise<void>
}

interface Attests extends Measures {
  /** A document of now, which `decodeEvidence` reads. */
  attest(asked: Asked): Promise<Uint8Array>
}

/** Proves which key signed which registers; nothing about the machine. */
export interface SoftwareAttestor extends Attests {
  readonly kind: 'software'
  readonly hardware: false
  /** Ed25519: a verifier must trust this very key. */
  readonly key: Uint8Array
}

/** Proves which code runs in an enclave of AWS. */
export interface NitroAttestor extends Attests {
  readonly kind: 'nitro'
  readonly hardware: true
}

export type Attestor = SoftwareAttestor | NitroAttestor

interface Surroundings {
  /** Of this installation alone. */
  readonly key: Ed25519Key
  readonly now: () => number
  readonly warn: (line: string) => void
  /** Those that a boot extended and locked; fresh ones if it is not said. */
  readonly registers?: Registers | undefined
}

/** Registers in memory, signed for by a key in memory. It says once that this is no hardware. */
export function openSoftwareAttestor({ key, now, warn, registers = openRegisters() }: Surroundings): SoftwareAttestor {
  warn('attestation: software, hardware: false: it proves which key signed, not which code runs')
  return {
    kind: 'software',
    hardware: false,
    key: key.publicKey,
    ...measuresOf(registers),
    async attest({ publicKey, userData, nonce }) {
      const claims = { timestampMs: now(), registers: registers.read(), publicKey, userData, nonce }
      return encodeSoftware(claims, { key: key.publicKey, sign: (message) => signEd25519(key, message) })
    },
  }
}

/** Registers in memory, for whoever measures into them. */
export function measuresOf(registers: Registers): Measures {
  return {
    async extend(index, data) {
      registers.extend(index, data)
    },
    async lockBelow(count) {
      for (let index = 0; index < count; index++) registers.lock(index)
    },
  }
}
