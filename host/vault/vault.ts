/** One open vault: its store, and the live parts that are read from it once. */
import { UNKNOWN_PER_HOUR_MAX } from '#host/contracts/limits.ts'
import { type Bucket, fullBucket } from '#host/contracts/rate.ts'
import { makeProfile } from '#host/contracts/profile.ts'
import type { Prover } from '#host/crypto/bbs-thread.ts'
import { identityId } from '#host/crypto/identity.ts'
import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { OpeningKey, SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { Refusal } from '#host/errors.ts'
import { IDENTITY_KEY } from '#host/plugin/manifest.ts'
import { auditTrail, type AuditTrail } from '#host/storage/audit.ts'
import { refusalMeter, type RefusalMeter } from '#host/storage/refusal-meter.ts'
import type { Change, Namespace, VaultStore } from '#host/storage/port.ts'
import type { ConnectionId, VaultId } from '#host/wire/id.ts'
import type { Views } from '#host/storage/view.ts'
import { lazily } from '#host/wire/lazily.ts'
import type { Instance } from './account/instance.ts'
import { type AccountLive, emptyAccount } from './account/live.ts'
import { forgetOwn } from './account/own.ts'
import { entries, readConnection, readDevice, required } from './read.ts'
import { identityKey, readSigningKeys, type SigningKeyEntry } from './signing-keys.ts'
import { type Factor, openFactor } from './factor.ts'
import { openInbox, type Inbox } from './inbox.ts'
import { openOutbox, type Outbox } from './outbox.ts'
import type { Connection, Device } from './party.ts'
import { type Published, publishedChange } from './published.ts'
import { openPosts, type Posts } from './post.ts'
import { openWriter, type Writer } from './writer.ts'
import { decodeRecord, encodeRecord, type DeviceRecord } from './records.ts'
import type { SandboxesLive } from './sandbox/live.ts'

export interface Vault extends AsyncDisposable {
  readonly id: VaultId
  readonly store: VaultStore
  readonly system: Namespace
  readonly audit: AuditTrail
  readonly signing: SigningKey
  readonly prekey: OpeningKey
  /** What a connection reads before it asks: signed, public. */
  readonly profile: { readonly bytes: Uint8Array; readonly hash: Uint8Array }
  readonly connections: Map<ConnectionId, Connection>
  readonly devices: Map<string, Device>
  /** What handlers may sign with, by alias: `identity` is always there. */
  readonly keys: Map<string, SigningKeyEntry>
  readonly inbox: Inbox
  readonly outbox: Outbox
  /** Events to peers that have no answer yet. */
  readonly posts: Posts
  /** Event ids being worked on right now: a repeat waits for the first to end. */
  readonly working: Map<string, Promise<void>>
  /** Makes proofs and checks them, off this thread. */
  readonly prover: Prover
  /** Who watches the sandboxes here, and who waits for an answer of the vault that hosts one. */
  readonly sandboxes: SandboxesLive
  /** What is the same for all vaults of this host. */
  readonly instance: Instance
  readonly account: AccountLive
  /** Answers the owner's searches, off this thread. */
  readonly views: Views
  /** Counts refusals so that a flood of them cannot fill the trail. */
  readonly refusals: RefusalMeter
  /** The owner's second factor. */
  readonly factor: Factor
  /** What every commit goes through. */
  readonly writer: Writer
  /** What all its namespaces may hold together. */
  readonly bytesMax: number
  /** What it may take on disk, old versions included. */
  readonly diskBytesMax: number
  /** When the owner was last told that it is full; forgotten with the process. */
  toldFullAt: number | undefined
  /** What is left to say this hour of sessions that are unknown here; forgotten with the process. */
  unknown: Bucket
}

/** What a vault is born with besides its keys. */
export interface Birth {
  /** The owner's first device: the root of trust for everything the owner says. */
  readonly device: { readonly id: string; readonly label: string; readonly verifyKey: Uint8Array }
  readonly fields: Readonly<Record<string, string>>
  readonly now: number
}

/** Writes a new vault's keys, its owner's first device and the owner's fields. */
export async function foundVault(
  store: VaultStore,
  options: Birth & { readonly published: Published | undefined; readonly random: (length: number) => Uint8Array },
): Promise<void> {
  const { device, fields, published, random, now } = options
  const record: DeviceRecord = { label: device.label, verifyKey: device.verifyKey, status: 'active', addedAt: now }
  const secret = { visibility: 'opaque', sensitivity: 'critical' } as const
  const changes: Change[] = [
    { namespace: 'system', key: 'identity/signing', value: random(64), ...secret },
    { namespace: 'system', key: 'identity/prekey', value: random(32), ...secret },
    identityKey({ now, random }),
    { namespace: 'system', key: `devices/${device.id}`, value: encodeRecord('device', record) },
    ...(published ? [publishedChange(published)] : []),
    ...Object.entries(fields).map(([name, value]) => fieldChange(name, value)),
  ]
  await store.commit(changes, { now })
}

/** The change that sets one personal field. */
export function fieldChange(name: string, value: string): Change {
  return { namespace: 'personal', key: `field/${name}`, value: new TextEncoder().encode(value), visibility: 'opaque' }
}

/** Reads a founded vault. `handlers` are the published manifests as JSON, for its profile. */
export function readVault(
  store: VaultStore,
  options: {
    id: VaultId
    handlers: string
    prover: Prover
    views: Views
    instance: Instance
    bytesMax: number
    diskBytesMax: number
    commitDeadlineMs: number
    refusals?: RefusalMeter | undefined
  },
): Vault {
  const { id, handlers, prover, views, instance, bytesMax, diskBytesMax, commitDeadlineMs } = options
  const { refusals = refusalMeter() } = options
  const system = store.namespace('system')
  const seeds = { signing: required(system, 'identity/signing'), prekey: required(system, 'identity/prekey') }
  // Whoever opens a vault waits for neither: most events need them never.
  const signing = lazily(() => generateSigningKey(seeds.signing))
  const prekey = lazily(() => generateKemKey(seeds.prekey))
  const connections = entries(system, 'connections/').map(([name, value]) =>
    readConnection({ vault: id, system, name, value }),
  )
  const devices = entries(system, 'devices/').map(([name, value]) => readDevice({ vault: id, system, name, value }))
  const marks = entries(system, 'inbox/').map(
    ([name, value]) => [`inbox/${name}`, decodeRecord('inbox', value).exp] as const,
  )
  const keys = readSigningKeys(system)
  const documents = keys.get(IDENTITY_KEY)?.signer.publicKey
  if (!documents)
    throw new Refusal('vault-unknown', 'its key for documents is missing: it was never founded as a vault')
  const profile = lazily(() => {
    return makeProfile(nativeCrypto, { vault: id, signing: signing(), prekey: prekey(), documents, handlers })
  })
  const account = emptyAccount()
  const letters = entries(system, 'outbox/').map(([name, value]) => [`outbox/${name}`, value] as const)
  return {
    id,
    store,
    system,
    audit: auditTrail(store),
    get signing() {
      return signing()
    },
    get prekey() {
      return prekey()
    },
    get profile() {
      return profile()
    },
    connections: new Map(connections.map((connection) => [connection.id, connection])),
    devices: new Map(devices.map((device) => [device.id, device])),
    keys,
    inbox: openInbox(system, marks),
    outbox: openOutbox(letters),
    posts: openPosts(entries(system, 'post/')),
    working: new Map(),
    prover,
    sandboxes: { watches: new Map(), relays: new Map() },
    factor: openFactor(system),
    writer: openWriter(store, { deadlineMs: commitDeadlineMs }),
    views,
    instance,
    account,
    refusals,
    bytesMax,
    diskBytesMax,
    toldFullAt: undefined,
    unknown: fullBucket({ capacity: UNKNOWN_PER_HOUR_MAX }, 0),
    [Symbol.asyncDispose]() {
      forgetOwn(account.own)
      return store[Symbol.asyncDispose]()
    },
  }
}

/** The vault's public name: SHA-256 id of its verify key. An invitation carries it. */
export function fingerprint(vault: Vault): Uint8Array {
  return identityId(nativeCrypto, vault.signing.publicKey)
}
