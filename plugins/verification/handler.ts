/** `identity.verify`: proves claims of a credential to whoever asks, and shows nothing beside them. */
import { current } from 'trellis:handler/approval@0.1.0'
import { list, prove, type Metadata } from 'trellis:handler/credentials@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { decodeBase64url, encodeBase64url } from '../sdk/base64url.ts'
import { parseJson, reply } from '../sdk/json.ts'
import { payloadOf, refuse } from '../sdk/refuse.ts'

interface Asked {
  readonly claims: readonly string[]
  readonly nonce: string
  readonly kind?: string
  readonly issuers?: readonly string[]
}

const NONCE_BYTES_MIN = 16
const NONCE_BYTES_MAX = 64
/** What the world lets the owner choose from. */
const CHOICES_MAX = 8

export function handle(body: Uint8Array): Outcome {
  const asked = parseJson(body) as Asked
  const nonce = decodeBase64url(asked.nonce)
  if (nonce === undefined || nonce.length < NONCE_BYTES_MIN || nonce.length > NONCE_BYTES_MAX) {
    return refuse('nonce-invalid', `send ${NONCE_BYTES_MIN} to ${NONCE_BYTES_MAX} random bytes as base64url`)
  }
  const fitting = list().filter((credential) => fits(credential, asked))
  const answer = current()
  const [first] = fitting
  if (first === undefined) return unavailable()
  if (fitting.length > 1 && answer.tag === 'none') return { tag: 'suspended', val: question(fitting, asked) }
  const chosen = answer.tag === 'chosen' ? fitting.find((one) => choiceOf(one, fitting) === answer.val) : first
  // Removed, or expired, since the owner was asked.
  if (chosen === undefined) return unavailable()
  try {
    const proof = prove(chosen.alias, [...asked.claims], nonce)
    return reply({ format: 'vine/1 presentation', kind: chosen.kind, proof: encodeBase64url(proof) })
  } catch (error) {
    if (payloadOf(error) === undefined) throw error
    return unavailable()
  }
}

function unavailable(): never {
  return refuse('claims-unavailable', 'no valid credential of this vault proves these claims')
}

/** The host lists what has not expired, with the claims this event was admitted for. */
function fits({ kind, issuer, claims }: Metadata, asked: Asked): boolean {
  if (asked.kind !== undefined && asked.kind !== kind) return false
  if (asked.issuers !== undefined && !asked.issuers.includes(issuer)) return false
  return asked.claims.every((name) => claims.includes(name))
}

function question(fitting: readonly Metadata[], { claims }: Asked): { text: string; choices: string[] } {
  const named = claims.slice(0, 4).join(', ') + (claims.length > 4 ? ` and ${claims.length - 4} more` : '')
  return {
    text: `Which credential is to prove ${named}?`,
    choices: fitting.slice(0, CHOICES_MAX).map((one) => choiceOf(one, fitting)),
  }
}

/** The owner's own name for it; the alias when two have the same, or one is called as another's alias. */
function choiceOf({ alias, label }: Metadata, fitting: readonly Metadata[]): string {
  const isClear = fitting.every((other) => other.alias === alias || (other.label !== label && other.alias !== label))
  return isClear ? label : alias
}
