/** The owner's credentials: kept sealed among the personal things, and proven from without ever being handed out. */
import { type Credential, decodeCredential, issuerName } from '#host/crypto/credential.ts'
import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { disclosureOf, encodePresentation } from '#host/crypto/presentation.ts'
import { Refusal } from '#host/errors.ts'
import { CREDENTIALS_MAX } from '#host/limits.ts'
import type { HeldCredential } from '#host/plugin/grant.ts'
import type { CredentialMetadata, ProofRequest } from '#host/plugin/port.ts'
import type { Change, Expectation } from '#host/storage/port.ts'
import { unusable } from './account/own-content.ts'
import type { Gate } from './factor.ts'
import type { Connection } from './party.ts'
import { credentialEntries } from './personal.ts'
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
    return { alias, record, credential, metadata: shown(alias, credential, record.label), critical }
  })
}

/** The change that keeps one; `null` drops it. */
export function credentialChange(alias: string, record: CredentialRecord | null): Change {
  const value = record && encodeRecord('credential', record)
  return { namespace: 'personal', key: PREFIX + alias, value, visibility: 'opaque', sensitivity: 'secret' }
}

/** What counts for one event, and what the commit of whatever was proven must find unchanged. */
export interface HeldCredentials {
  readonly credentials: ReadonlyMap<string, HeldCredential>
  readonly expected: readonly Expectation[]
}

/**
 * Those that count now, for proofs to one connection: each is bound to the identity of the other side, so that it
 * cannot show ours to somebody else as if it were the owner. An entry takes the place of a plain one of its alias.
 */
export function heldCredentials(
  vault: Vault,
  options: { connection: Connection | undefined; needed: boolean; now: number; gate: Gate },
): HeldCredentials {
  const { connection, needed, now, gate } = options
  const peerKey = connection?.record.peerKey
  if (!needed || !peerKey) return { credentials: new Map(), expected: [] }
  const audience = identityId(nativeCrypto, peerKey)
  const { all, expected } = allCredentials(vault, now)
  const valid = all.filter(({ metadata: { expires } }) => expires === null || now < expires)
  const prove = async (credential: Credential, { disclose, nonce }: ProofRequest): Promise<Uint8Array> => {
    const disclosure = disclosureOf(credential, { names: disclose, audience, nonce })
    return encodePresentation(credential, { ...disclosure, proof: await vault.prover.prove(disclosure) })
  }
  const credentials = valid.map(({ alias, credential, metadata, critical }): [string, HeldCredential] => [
    alias,
    { metadata, prove: (request) => (critical && !gate.pass() ? undefined : prove(credential, request)) },
  ])
  return { credentials: new Map(credentials), expected }
}

type Usable = Pick<StoredCredential, 'alias' | 'credential' | 'metadata' | 'critical'>

function allCredentials(vault: Vault, now: number): { all: readonly Usable[]; expected: readonly Expectation[] } {
  const plain = storedCredentials(vault)
  const entries = credentialEntries(vault, now).slice(0, CREDENTIALS_MAX)
  const aliases = new Set(entries.map(({ alias }) => alias))
  const critical = new Set(plain.flatMap((stored) => (stored.critical ? [stored.alias] : [])))
  const opened = entries.flatMap(({ alias, entry, content }): Usable[] => {
    const credential = content && readContent(vault, entry, content)
    return credential ? [{ alias, credential, metadata: shown(alias, credential), critical: critical.has(alias) }] : []
  })
  const expected = entries.map(({ place }) => place)
  return { all: [...plain.filter(({ alias }) => !aliases.has(alias)), ...opened], expected }
}

/** By the content as it was opened, which is wiped when it is dropped. */
const decoded = new WeakMap<Uint8Array, Credential>()

function readContent(vault: Vault, entry: string, content: Uint8Array): Credential | undefined {
  const before = decoded.get(content)
  if (before) return before
  try {
    const credential = decodeCredential(content)
    decoded.set(content, credential)
    return credential
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    unusable(vault, entry, 'entry-invalid')
    return undefined
  }
}

function shown(alias: string, { kind, issuer, names, expires }: Credential, label = alias): CredentialMetadata {
  return { alias, kind, issuer: issuerName(nativeCrypto, issuer), label, claims: names, expires }
}
