/**
 * The document of a software attestor: which key signed which registers. It says nothing about the machine, and says
 * that: `hardware: false` is a field of it.
 *
 * A COSE_Sign1 like Nitro's, with EdDSA and a type in its protected header (RFC 9596), so that neither kind can be read
 * as the other.
 */
import { type Cbor, encodeCbor } from '#host/wire/cbor.ts'

import {
  badField,
  type Claims,
  type Envelope,
  readClaims,
  refuseOtherFields,
  signedMessage,
  type SoftwareEvidence,
} from './evidence.ts'
import { SOFTWARE_KEY_BYTES } from './limits.ts'

const TYPE = 'application/trellis-software-evidence+cbor'

/** {1: EdDSA, 16: its type}. */
export const SOFTWARE_HEADER = encodeCbor(
  new Map<number, Cbor>([
    [1, -8],
    [16, TYPE],
  ]),
)

const FIELDS = ['hardware', 'key', 'timestamp', 'pcrs', 'public_key', 'user_data', 'nonce']

/** @throws Rejection `evidence-field` */
export function decodeSoftware({ payload, message, signature }: Envelope): SoftwareEvidence {
  refuseOtherFields(payload, FIELDS)
  const key = payload.get('key')
  if (payload.get('hardware') !== false) throw badField('hardware')
  if (!(key instanceof Uint8Array) || key.length !== SOFTWARE_KEY_BYTES) throw badField('key')
  return { kind: 'software', hardware: false, key, claims: readClaims(payload), message, signature }
}

/** Writes and signs a document. `sign` is by `key`, over the frame that `decodeEvidence` checks. */
export function encodeSoftware(
  claims: Claims,
  { key, sign }: { readonly key: Uint8Array; readonly sign: (message: Uint8Array) => Uint8Array },
): Uint8Array {
  const payload = encodeCbor({
    hardware: false,
    key,
    timestamp: claims.timestampMs,
    pcrs: claims.registers,
    public_key: claims.publicKey ?? null,
    user_data: claims.userData ?? null,
    nonce: claims.nonce ?? null,
  })
  return encodeCbor([SOFTWARE_HEADER, {}, payload, sign(signedMessage(SOFTWARE_HEADER, payload))])
}
