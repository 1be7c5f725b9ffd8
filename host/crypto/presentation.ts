/** Presentations: some claims of a credential with a proof, made for one verifier and its nonce. */
import { Refusal } from '#host/errors.ts'
import { CREDENTIAL_CLAIMS_MAX, PRESENTATION_BYTES_MAX } from '#host/limits.ts'
import { bytesOf, bytesUpTo, check, z } from '#host/schema.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import type { Suite } from './port.ts'

import { BBS_KEY_BYTES, type BbsDisclosure, verifyBbsProof } from './bbs.ts'
import {
  type Claim,
  claimMessage,
  claimSchema,
  type Credential,
  decodeCredentialHeader,
  issuerName,
  signedOf,
} from './credential.ts'

/** Who a presentation is for. */
export interface Presented {
  /** 32 bytes: the verifier's identity, `identityId` of the key it signs its contracts with. */
  readonly audience: Uint8Array
  /** The verifier's own fresh bytes. */
  readonly nonce: Uint8Array
}

/** What a verifier asked for. */
export interface Expected {
  /** Names of the issuers whose word counts, as `issuerName` gives them. */
  readonly issuers: readonly string[]
  /** Names of claims that must be there. */
  readonly claims: readonly string[]
}

/** What a verified presentation proves. */
export interface Proven {
  readonly kind: string
  /** `issuerName` of the key that signed. */
  readonly issuer: string
  readonly expires: number | null
  readonly claims: ReadonlyMap<string, Claim[1]>
}

const presentationSchema = z.strictObject({
  issuer: bytesOf(BBS_KEY_BYTES),
  header: bytesUpTo(PRESENTATION_BYTES_MAX),
  claims: z.array(claimSchema).min(1).max(CREDENTIAL_CLAIMS_MAX),
  proof: bytesUpTo(PRESENTATION_BYTES_MAX),
})

/** What to prove. @throws Error for a claim the credential does not have: what may be named is checked before */
export function disclosureOf(
  credential: Credential,
  { names, ...to }: { names: readonly string[] } & Presented,
): BbsDisclosure {
  const disclosed = names.map((name) => credential.names.indexOf(name)).sort((left, right) => left - right)
  if (disclosed.includes(-1)) throw new Error('presentation: the credential has no such claim')
  return { ...signedOf(credential), disclosed, presentation: presentationHeader(to) }
}

/** The presentation of a disclosure and the proof made of it. */
export function encodePresentation(
  credential: Credential,
  { disclosed, proof }: { disclosed: readonly number[]; proof: Uint8Array },
): Uint8Array {
  const claims = credential.claims.filter((_, index) => disclosed.includes(index))
  return encodeCbor({ issuer: credential.issuer, header: credential.header, claims, proof })
}

/**
 * Verifies a presentation: the verifier's side, some tens of milliseconds.
 *
 * @param to `now` in milliseconds since the epoch
 * @throws Refusal `malformed` when it cannot be read, `proof-invalid` when it is of another issuer, for another
 *   verifier or nonce, expired, without a claim that was asked for, or proves nothing
 */
export function verifyPresentation(
  crypto: Suite,
  bytes: Uint8Array,
  to: Presented & Expected & { readonly now: number },
): Proven {
  const value = decodeCbor(bytes, { bytesMax: PRESENTATION_BYTES_MAX })
  const { issuer, header, claims, proof } = check(presentationSchema, value, 'malformed', 'the presentation')
  const { kind, names, expires } = decodeCredentialHeader(header)
  const name = issuerName(crypto, issuer)
  if (!to.issuers.includes(name))
    throw new Refusal('proof-invalid', `issued by ${name}, whose word does not count here`)
  if (expires !== null && expires <= to.now) throw new Refusal('proof-invalid', 'the credential has expired')
  const missing = to.claims.find((asked) => !claims.some(([shown]) => shown === asked))
  if (missing !== undefined) throw new Refusal('proof-invalid', `does not show ${missing}`)
  const shown = claims.map((claim) => [names.indexOf(claim[0]), claimMessage(claim)] as const)
  const presentation = presentationHeader(to)
  if (!verifyBbsProof({ publicKey: issuer, header, presentation, count: names.length, shown, proof })) {
    throw new Refusal('proof-invalid', 'no proof of these claims for this verifier and nonce: ask with a new nonce')
  }
  return { kind, issuer: name, expires, claims: new Map(claims) }
}

/** What the proof is bound to. */
function presentationHeader({ audience, nonce }: Presented): Uint8Array {
  return encodeCbor(['vine/1 presentation', audience, nonce])
}
