/** Handing a vault over: what A gives to B, sealed to the key that B's evidence names. The root key stays wrapped. */
import type { Release } from '#host/crypto/enclave.ts'
import { bytesOf, check, z } from '#host/schema.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

/** The next image, running beside this one. Only evidence makes it believed. */
export interface Successor {
  readonly measurement: Uint8Array
  readonly release: Release
  /** What it changes, for the owner. */
  readonly changes: string
  present(vault: string, nonce: Uint8Array): Promise<{ readonly descriptor: Uint8Array; readonly evidence: Uint8Array }>
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
export type Handover = z.infer<typeof handover>

export const encodeHandover = (value: Handover): Uint8Array => encodeCbor(value)

/** @throws Refusal `move-refused` */
export function decodeHandover(bytes: Uint8Array): Handover {
  const value: Cbor = decodeCbor(bytes)
  return check(handover, value, 'move-refused', 'a handed-over header')
}

