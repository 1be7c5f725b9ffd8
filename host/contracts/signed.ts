/** Signed objects: vine-CBOR `[label, payload, signature]`, where the label is also the signature's context. */
import type { SigningKey, Suite } from '#host/crypto/port.ts'
import { Refusal, type RefusalCode } from '#host/errors.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

/** What one kind of signed object is called, how large it may be and how its refusals are named. */
export interface SignedKind {
  readonly label: string
  readonly what: string
  readonly code: RefusalCode
  readonly bytesMax: number
  readonly itemsMax: number
}

export interface OpenedPayload {
  /** The very bytes that were signed. */
  readonly payload: Uint8Array
  readonly signature: Uint8Array
  /** The payload decoded: of a known signer, and still unchecked. */
  readonly value: Cbor
}

/** Signs the one encoding of a value. */
export function signValue(kind: SignedKind, value: Cbor, key: SigningKey): Uint8Array {
  const payload = encodeCbor(value)
  const signature = key.sign(kind.label, payload)
  const bytes = encodeCbor([kind.label, payload, signature])
  if (bytes.length > kind.bytesMax) throw new Refusal(kind.code, `${kind.what}: ${tooLong(kind, bytes)}`)
  return bytes
}

/**
 * Size first, then the signature over the received payload bytes, then what they say.
 *
 * @param signed.by the signer's composite key, 1,984 bytes
 * @throws Refusal with the kind's code
 */
export function openSigned(
  crypto: Suite,
  kind: SignedKind,
  { bytes, by }: { readonly bytes: Uint8Array; readonly by: Uint8Array },
): OpenedPayload {
  if (bytes.length > kind.bytesMax) throw new Refusal(kind.code, `${kind.what}: ${tooLong(kind, bytes)}`)
  const outer = decode(kind, bytes)
  if (!Array.isArray(outer) || outer.length !== 3) throw new Refusal(kind.code, `${kind.what}: not three parts`)
  const [label, payload, signature]: readonly unknown[] = outer
  if (label !== kind.label) throw new Refusal(kind.code, `${kind.what}: not labelled ${kind.label}`)
  if (!(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    throw new Refusal(kind.code, `${kind.what}: payload and signature must be byte strings`)
  }
  if (!crypto.verify({ publicKey: by, context: kind.label, message: payload, signature })) {
    throw new Refusal(kind.code, `${kind.what}: the signature is not this key's over these bytes`)
  }
  return { payload, signature, value: decode(kind, payload) }
}

function decode(kind: SignedKind, bytes: Uint8Array): Cbor {
  try {
    return decodeCbor(bytes, { bytesMax: kind.bytesMax, itemsMax: kind.itemsMax })
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    throw new Refusal(kind.code, `${kind.what}: ${cause.message}`, { cause })
  }
}

function tooLong(kind: SignedKind, bytes: Uint8Array): string {
  return `${bytes.length} bytes, at most ${kind.bytesMax}`
}
