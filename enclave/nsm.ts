/**
 * The Nitro Security Module's requests and responses (aws-nitro-enclaves-nsm-api, src/api/mod.rs), and the attestor
 * over them. Untested on hardware: a fake device answers in the tests.
 *
 * The device is an ioctl, which this process cannot call and should not: `device` is a small process that owns it and
 * passes bytes (`docs/trust.md` describes it).
 */
import { type Cbor, encodeCbor } from '#host/wire/cbor.ts'

import type { NitroAttestor } from './attestor.ts'
import { decodeForeign, type Foreign } from './foreign-cbor.ts'
import { NSM_REQUEST_BYTES_MAX } from './limits.ts'

/** One request to the module, one response from it. */
export type NsmDevice = (request: Uint8Array) => Promise<Uint8Array>

export type NsmRequest =
  | { readonly kind: 'ExtendPCR'; readonly index: number; readonly data: Uint8Array }
  | { readonly kind: 'LockPCRs'; readonly range: number }
  | {
      readonly kind: 'Attestation'
      readonly user_data: Uint8Array | null
      readonly nonce: Uint8Array | null
      readonly public_key: Uint8Array | null
    }

/** The module knows requests with fields as a map of one entry. @throws Error for one the device would not take */
export function encodeRequest({ kind, ...fields }: NsmRequest): Uint8Array {
  const named: Readonly<Record<string, Cbor>> = fields
  const bytes = encodeCbor({ [kind]: named })
  if (bytes.length > NSM_REQUEST_BYTES_MAX) throw new Error(`nsm: a request of ${bytes.length} bytes`)
  return bytes
}

/**
 * The fields of the response to a request of this kind; none for a response without fields.
 *
 * @throws Error naming the module's error, or that it answered something else; Rejection for bytes that are no CBOR
 */
export function decodeResponse(kind: NsmRequest['kind'], bytes: Uint8Array): ReadonlyMap<number | string, Foreign> {
  const response = decodeForeign(bytes)
  if (response === kind) return new Map()
  if (!(response instanceof Map) || response.size !== 1) throw new Error(`nsm: no response to ${kind}`)
  const fields: Foreign | undefined = response.get(kind)
  if (fields instanceof Map) return fields
  const error: Foreign | undefined = response.get('Error')
  throw new Error(typeof error === 'string' ? `nsm: ${kind}: ${error}` : `nsm: no response to ${kind}`)
}

/** An enclave's own attestor. Documents carry locked registers only: lock what was extended before attesting. */
export function openNitroAttestor(device: NsmDevice): NitroAttestor {
  const ask = async (request: NsmRequest) => decodeResponse(request.kind, await device(encodeRequest(request)))
  return {
    kind: 'nitro',
    hardware: true,
    async extend(index, data) {
      await ask({ kind: 'ExtendPCR', index, data })
    },
    async lockBelow(count) {
      await ask({ kind: 'LockPCRs', range: count })
    },
    async attest({ publicKey = null, userData = null, nonce = null }) {
      const fields = { user_data: userData, nonce, public_key: publicKey }
      const document = (await ask({ kind: 'Attestation', ...fields })).get('document')
      if (document instanceof Uint8Array) return document
      throw new Error('nsm: an attestation without a document')
    },
  }
}
