/** The owner's credentials: kept sealed among the personal things, and proven from without ever being handed out. */
import { type Credential, decodeCredential, issuerName } from '#host/crypto/credential.ts'
import { identityId } from '#host/crypto/identity.ts'
import { disclosureOf, encodePresentation } from '#host/crypto/presentation.ts'
import type { HeldCredential } from '#host/plugin/grant.ts'
import type { CredentialMetadata, ProofRequest } from '#host/plugin/port.ts'
import type { Change } from '#host/storage/port.ts'
import type { Gate } from './factor.ts'
import type { Connection } from './party.ts'
import { entries } from './read.ts'
import { type CredentialRecord, decodeRecord, encodeRecord } from './records.ts'
import type { Vault } from './vault.ts'

const PREFIX = 'credential/'

/** A credential of the vault under the owner's alias. */
export interface StoredCredential {
  readonly alias: string
  readonly record: CredentialRecord
  readonly credential: Credential
  readonly metadata: CredentialMetadata
  /** A proof needs the owner's second factor. */
  readonly critical: boolean
}

type Read = Pick<StoredCredential, 'record' | 'credential'>

/** By the stored bytes, which are never written over: each event that may list credentials reads all of them. */
const known = new WeakMap<Uint8Array, Read>()

function read(bytes: Uint8Array): Read {
  const before = known.get(bytes)
  if (before) return before
  const record = decodeRecord('credential', bytes)
  const made = { record, credential: decodeCredential(record.credential) }
  known.set(bytes, made)
  return made
}

/** All of them, by alias. */
export function storedCredentials(vault: Vault): readonly StoredCredential[] {
  const personal = vault.store.namespace('personal')
  return entries(personal, PREFIX).map(([alias, bytes]) => {
    const critical = personal.get(PREFIX + alias)?.sensitivity === 'critical'
    const { record, credential } = read(bytes)
    const { kind, names, expires } = credential
    const metadata = { alias, kind, issuer: issuerName(credential.issuer), label: record.label, claims: names, expires }
    return { alias, record, credential, metadata, critical }
  })
}

/** The change that keeps one; `null` drops it. */
export function credentialChange(alias: string, record: CredentialRecord | null): Change {
  const value = record && encodeRecord('credential', record)
  return { namespace: 'personal', key: PREFIX + alias, value, visibility: 'opaque', sensitivity: 'secret' }
}

/**
 * Those that count now, for proofs to one connection: each is bound to the identity of the other side, so that it
 * cannot show ours to somebody else as if it were the owner.
 */
export function heldCredentials(
  vault: Vault,
  options: { connection: Connection | undefined; needed: boolean; now: number; gate: Gate },
): ReadonlyMap<string, HeldCredential> {
  const { connection, needed, now, gate } = options
  const peerKey = connection?.record.peerKey
  if (!needed || !peerKey) return new Map()
  const audience = identityId(peerKey)
  const valid = storedCredentials(vault).filter(({ metadata: { expires } }) => expires === null || now < expires)
  const prove = async (credential: Credential, { disclose, nonce }: ProofRequest): Promise<Uint8Array> => {
    const disclosure = disclosureOf(credential, { names: disclose, audience, nonce })
    return encodePresentation(credential, { ...disclosure, proof: await vault.prover.prove(disclosure) })
  }
  return new Map(
    valid.map(({ alias, credential, metadata, critical }): [string, HeldCredential] => [
      alias,
      { metadata, prove: (request) => (critical && !gate.pass() ? undefined : prove(credential, request)) },
    ]),
  )
}
