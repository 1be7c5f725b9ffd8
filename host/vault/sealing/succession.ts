/** Handing a vault over: what A gives to B, sealed to the key that B's evidence names. The root key stays wrapped. */
import type { Enclave, Release } from '#host/crypto/enclave.ts'
import { sealHeader } from '#host/storage/protected.ts'
import { bytesOf, check, z } from '#host/schema.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { refused } from './move.ts'
import { openPresenter, type Presented } from './presenter.ts'

/** The next image, running beside this one. Only evidence makes it believed. */
export interface Successor {
  readonly measurement: Uint8Array
  readonly release: Release
  /** What it changes, for the owner. */
  readonly changes: string
  present(vault: string, nonce: Uint8Array): Promise<Presented>
  /** Gives the header as the successor alone can read it. */
  receive(vault: string, handed: Handed): Promise<Uint8Array>
}

export interface Handed {
  /** SHA-384 of the evidence it is sealed for. */
  readonly evidence: Uint8Array
  readonly sealed: Uint8Array
}

export const HANDOVER_INFO = new TextEncoder().encode('trellis/move/1')

const handover = z.strictObject({
  epoch: z.number().int().min(0),
  pepper: bytesOf(32),
  salt: bytesOf(16).nullable(),
  unlockers: z.array(bytesOf(32)),
  state: z.strictObject({ sequence: z.number(), chain: bytesOf(32), epoch: z.number() }).nullable(),
  failures: z.number(),
  notBefore: z.number(),
  seq: z.number(),
  serial: z.number(),
  from: bytesOf(48),
})
type Handover = z.infer<typeof handover>

export const encodeHandover = (value: Handover): Uint8Array => encodeCbor(value)

/** The next image, beside the one that runs: it takes headers over, and opens no vault yet. */
export function openSuccessor(options: {
  readonly enclave: Enclave
  readonly changes: string
  readonly now: () => number
  readonly random: (length: number) => Uint8Array
}): Successor {
  const { enclave, changes } = options
  const { measurement, release } = enclave
  const presenter = openPresenter(options)
  return {
    measurement,
    release,
    changes,
    present: (vault, nonce) => presenter.present(vault, nonce, { state: 'moved', pin: false, offer: null }),
    async receive(vault, handed) {
      const { plaintext, answerKey } = presenter.open(vault, { ...handed, info: HANDOVER_INFO })
      const given = check(handover, decodeCbor(plaintext), 'move-refused', 'a handed-over header')
      for (const secret of [plaintext, answerKey]) secret.fill(0)
      if (given.serial >= release.serial) throw refused('this image is not newer than the one that hands over')
      return sealHeader(enclave, vault, { ...given, seq: given.seq + 1, renew: true, move: null })
    },
  }
}
