/** How a sandbox begins: the creator's vault signs the terms, the guest's owner accepts them. */
import { SANDBOX_BYTES_MAX, SANDBOXES_PER_CONNECTION_MAX } from '#host/contracts/limits.ts'
import {
  type SandboxClauses,
  type SignedSandbox,
  signSandbox,
  signSandboxAcceptance,
  verifySandbox,
  verifySandboxAcceptance,
} from '#host/contracts/sandbox.ts'
import { SANDBOX_KEY_BYTES } from '#host/contracts/sandbox-seal.ts'
import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { Refusal } from '#host/errors.ts'
import type { Change, Expectation } from '#host/storage/port.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { parseEventType } from '#host/wire/id.ts'
import type { Outgoing } from '../commit.ts'
import { notices } from '../notice.ts'
import type { Connection } from '../party.ts'
import type { SandboxRecord } from '../records.ts'
import type { Vault } from '../vault.ts'
import { findSandbox, listSandbox, type Sandbox, sandboxChange, sandboxes, unchangedSandbox } from './held.ts'

export const OFFERED = parseEventType('sandbox.offered')
export const ACCEPT = parseEventType('sandbox.accept')

interface Moment {
  readonly now: number
  readonly random: (length: number) => Uint8Array
}

interface Begun {
  readonly id: string
  readonly changes: readonly Change[]
  readonly expected: readonly Expectation[]
  readonly outgoing: readonly Outgoing[]
}

/** The creator's word. @throws Refusal `connection-inactive`, `storage-full`, `contract-invalid` */
export function createSandbox(
  vault: Vault,
  connection: Connection,
  { clauses, now, random }: Moment & { readonly clauses: SandboxClauses },
): Begun {
  const { peerKey, status } = connection.record
  if (status !== 'active' || !peerKey || !connection.session) {
    throw new Refusal('connection-inactive', 'a sandbox belongs to an active connection: connect first')
  }
  checkRoom(vault, connection, clauses.bytesMax)
  const id = `s-${random(8).toHex()}`
  const { rights, name, takeBack, portability, purge, bytesMax } = clauses
  const signed = signSandbox(
    {
      id,
      connection: connection.id,
      name,
      rights,
      takeBack,
      portability,
      purge,
      bytesMax,
      creator: identityId(nativeCrypto, vault.signing.publicKey),
      guest: identityId(nativeCrypto, peerKey),
      createdAt: now,
    },
    vault.signing,
  )
  const verified = verifySandbox(nativeCrypto, signed, vault.signing.publicKey)
  const record = newRecord(connection, { ...verified, signed, role: 'creator' })
  listSandbox(vault, { id, record })
  return {
    id,
    changes: [sandboxChange(id, record)],
    expected: [unchangedSandbox(vault, { id })],
    outgoing: [{ to: connection, type: OFFERED, body: encodeCbor({ terms: signed }), causation: null }],
  }
}

/**
 * Terms that another vault signed, for this one's owner to decide on.
 *
 * @throws Refusal `contract-invalid`, `storage-full`
 */
export function takeOffer(vault: Vault, connection: Connection, signed: Uint8Array): Begun {
  const { peerKey, alias } = connection.record
  if (!peerKey) throw new Refusal('connection-inactive', 'the handshake is not finished')
  const verified = verifySandbox(nativeCrypto, signed, peerKey)
  const { terms } = verified
  if (!Buffer.from(terms.guest).equals(identityId(nativeCrypto, vault.signing.publicKey))) {
    throw new Refusal('contract-invalid', 'sandbox terms: for another guest')
  }
  const known = findSandbox(vault, terms.id)
  if (known) throw new Refusal('conflict', 'this sandbox is known already')
  checkRoom(vault, connection, terms.bytesMax)
  const record = newRecord(connection, { ...verified, signed, role: 'guest' })
  const { id, name } = terms
  listSandbox(vault, { id, record })
  return {
    id,
    changes: [sandboxChange(id, record)],
    expected: [unchangedSandbox(vault, { id })],
    outgoing: notices(vault, OFFERED, { sandbox: id, connection: connection.id, alias, name }),
  }
}

/** The guest's owner says yes: from now on there is a key for its side. */
export function acceptOffer(vault: Vault, sandbox: Sandbox, { now, random }: Moment): Begun {
  const { id, record } = sandbox
  const to = vault.connections.get(record.connection)
  if (record.role !== 'guest' || record.status !== 'offered' || !to?.session) {
    throw new Refusal('command-invalid', 'no sandbox of this name waits for a yes')
  }
  const acceptance = signSandboxAcceptance({ terms: record.terms, hash: record.hash }, vault.signing, now)
  const next: SandboxRecord = { ...record, status: 'active', acceptance, key: random(SANDBOX_KEY_BYTES) }
  return {
    id,
    changes: [sandboxChange(id, next)],
    expected: [unchangedSandbox(vault, sandbox)],
    outgoing: [{ to, type: ACCEPT, body: encodeCbor({ sandbox: id, acceptance }), causation: null }],
  }
}

/** The guest's yes as the host hears it. @throws Refusal `contract-invalid`, `contract-stale`, `connection-inactive` */
export function takeAcceptance(vault: Vault, sandbox: Sandbox, { acceptance }: { acceptance: Uint8Array }): Begun {
  const { id, record } = sandbox
  const guest = vault.connections.get(record.connection)
  if (record.status !== 'offered' || !guest?.record.peerKey) {
    throw new Refusal('connection-inactive', 'no terms wait for a yes')
  }
  const { terms, hash } = record
  verifySandboxAcceptance(nativeCrypto, acceptance, { about: { terms, hash }, guestKey: guest.record.peerKey })
  return {
    id,
    changes: [sandboxChange(id, { ...record, status: 'active', acceptance })],
    expected: [unchangedSandbox(vault, sandbox)],
    outgoing: notices(vault, 'sandbox.accepted', { sandbox: id, alias: guest.record.alias, name: record.terms.name }),
  }
}

function checkRoom(vault: Vault, connection: Connection, bytesMax: number): void {
  const others = sandboxes(vault, connection.id).filter(({ record }) => record.status !== 'ended')
  const bytes = others.reduce((sum, { record }) => sum + record.terms.bytesMax, bytesMax)
  if (others.length < SANDBOXES_PER_CONNECTION_MAX && bytes <= SANDBOX_BYTES_MAX) return
  throw new Refusal(
    'storage-full',
    `one connection has at most ${SANDBOXES_PER_CONNECTION_MAX} sandboxes, of ${SANDBOX_BYTES_MAX} bytes together`,
  )
}

function newRecord(
  connection: Connection,
  { terms, hash, signed, role }: SignedSandbox & Pick<SandboxRecord, 'signed' | 'role'>,
): SandboxRecord {
  return {
    connection: connection.id,
    role,
    status: 'offered',
    terms,
    signed,
    hash,
    acceptance: null,
    change: 0,
    bytes: 0,
    historyBytes: 0,
    key: null,
  }
}
