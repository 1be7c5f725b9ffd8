/** What a vault writes about itself, as bytes. Trusted: these live inside the sealed journal and nowhere else. */
import type { Permission } from '#host/contracts/admit.ts'
import type { Bucket } from '#host/contracts/rate.ts'
import type { KeyAlgorithm } from '#host/crypto/key-algorithm.ts'
import type { PeerPlace, Sharing } from '#host/contracts/sharing.ts'
import type { HistoryEntry, Proposal, SandboxItem } from '#host/contracts/sandbox-deed.ts'
import type { SandboxTerms, Side } from '#host/contracts/sandbox.ts'
import type { OwnerQuestion } from '#host/plugin/port.ts'
import type { Anchor, Change } from '#host/storage/port.ts'
import { pack, unpack } from '#host/wire/pack.ts'
import type { ConnectionId, EventId, EventType } from '#host/wire/id.ts'

/** A relationship with a service or a peer, whatever state it is in. */
export interface ConnectionRecord {
  /** The owner's name for it. */
  readonly alias: string
  readonly kind: 'service' | 'peer'
  /** `dialing`: this side said hello, or is about to, and waits for the other vault's owner. */
  readonly status: 'invited' | 'dialing' | 'proposed' | 'active' | 'severed'
  /** Raw composite verify key of the other side, once it said hello. */
  readonly peerKey: Uint8Array | null
  /** The hello as received: accepting may happen days later and needs these very bytes. */
  readonly hello: Uint8Array | null
  /** Signed bytes of the contract in force. */
  readonly contract: Uint8Array | null
  readonly acceptedAt: number
  /** Optional fields the owner declined. */
  readonly declined: readonly string[]
  /** A peer with a vault of its own. */
  readonly peer?: PeerRecord
  /** A contract presented and not yet accepted, and the event that is answered when it is. */
  readonly offer: { readonly contract: Uint8Array; readonly event: Published | null } | null
}

/** The other side of a relationship between two vaults. */
export interface PeerRecord {
  /** What this owner is called in the light contract that this vault signs. */
  readonly name: string
  /** What this owner shares: the other side signs for it. */
  readonly sharing: Sharing
  /** Where the other vault hears us; unknown until it said hello. */
  readonly place: PeerPlace | null
  /** What we may ask there: what the other owner shares, signed by this vault, good once they accepted it. */
  readonly asks: {
    readonly sharing: Sharing
    readonly contract: Uint8Array
    readonly version: number
    readonly accepted: boolean
  } | null
  /** The fingerprint that the invitation named; only where this side says hello. */
  readonly identity: Uint8Array | null
  /** When the owner said to connect, or to invite. */
  readonly since: number
}

/** What this vault needs to finish the handshake it began: secret until then. */
export interface DialRecord {
  readonly message: Uint8Array
  readonly state: Uint8Array
}

/** The event that published an offer: it is answered when the owner decides. */
export interface Published {
  readonly id: EventId
  readonly type: EventType
  readonly exp: number
}

export interface DeviceRecord {
  readonly label: string
  /** Raw composite verify key, 1,984 bytes. */
  readonly verifyKey: Uint8Array
  readonly status: 'active' | 'revoked'
  readonly addedAt: number
}

/** The answer given to one event id, so that the same id is never acted on twice. */
export interface InboxRecord {
  /** The mark is kept until the event itself has expired. */
  readonly exp: number
  /** The encoded reply. It is sealed anew each time: an old envelope lies outside the receiver's window before long. */
  readonly reply: Uint8Array
}

/** A hello that came, and its answer once there is one: the same bytes never do anything twice. */
export interface GreetingRecord {
  /** Whose hello it was. */
  readonly from: `connection/${string}` | `device/${string}`
  readonly answer: { readonly subject: string; readonly envelope: Uint8Array } | null
}

/** A message that must leave. */
export interface OutboxRecord {
  readonly subject: string
  readonly envelope: Uint8Array
}

/** What a request that needs what is critical goes on with, once the vault is unlocked. */
export interface FactorWait {
  readonly approved: boolean
  readonly answer: { readonly choice: string | null } | null
}

/** A question to the owner about one exact request. */
export interface PendingRecord {
  readonly connection: string
  /** The request as it was opened: encoded event. */
  readonly event: Uint8Array
  readonly contractVersion: number
  readonly fields: readonly string[]
  readonly purpose: string
  readonly askedAt: number
  /** Milliseconds since the epoch; past it the answer is a refusal. */
  readonly expires: number
  /** What the handler asks in its own words; a consent field asks by itself. */
  readonly question: OwnerQuestion | null
  /** It waits for the owner's PIN and for nothing else: what the owner had said by then. */
  readonly factor?: FactorWait
  /** Audit row of the asking: the answer's row links to it. */
  readonly row: number
}

/** What the handlers answered when connections were last told, by event type. */
export interface PublishedRecord {
  readonly events: Readonly<
    Record<string, { readonly version: string; readonly permission: Permission | null; readonly hash: string }>
  >
}

/** A key that handlers sign with. */
export interface KeyRecord {
  readonly algorithm: KeyAlgorithm
  readonly secret: Uint8Array
  readonly createdAt: number
  /** Whether a signature needs the owner's second factor. */
  readonly critical?: boolean
}

/** The owner's PIN, hashed, and how often it was missed since it was last right. */
export interface FactorRecord {
  readonly salt: Uint8Array
  readonly hash: Uint8Array
  /** How long the vault stays unlocked. */
  readonly windowMs: number
  readonly failures: number
  /** Milliseconds since the epoch: no try is taken before. */
  readonly notBefore: number
}

/** How long the rows of the audit trail are kept. */
export interface RetentionRecord {
  readonly days: number
  /** When to prune again, milliseconds since the epoch. */
  readonly next: number
}

/** A credential of the owner: a secret, since whoever has its bytes can show it. */
export interface CredentialRecord {
  /** The owner's own name for it. */
  readonly label: string
  /** As its issuer made it. */
  readonly credential: Uint8Array
  readonly addedAt: number
}

/** A shared sandbox, as either side's vault knows it: the guest's holds nothing of what is in it. */
export interface SandboxRecord {
  /** This vault's own connection that it belongs to. */
  readonly connection: ConnectionId
  readonly role: Side
  readonly status: 'offered' | 'active' | 'ended'
  readonly terms: SandboxTerms
  /** The terms as the creator signed them, and their hash. */
  readonly signed: Uint8Array
  readonly hash: Uint8Array
  /** The guest's yes. */
  readonly acceptance: Uint8Array | null
  /** The last change; at the guest's 0. */
  readonly change: number
  readonly bytes: number
  readonly historyBytes: number
  /** Seals the guest's side: only in the guest's vault. */
  readonly key: Uint8Array | null
}

export interface Records {
  /** Handed to one device, the newest last. */
  anchors: readonly Anchor[]
  connection: ConnectionRecord
  device: DeviceRecord
  factor: FactorRecord
  greeting: GreetingRecord
  dial: DialRecord
  inbox: InboxRecord
  key: KeyRecord
  retention: RetentionRecord
  outbox: OutboxRecord
  pending: PendingRecord
  published: PublishedRecord
  credential: CredentialRecord
  sandbox: SandboxRecord
  'sandbox-item': SandboxItem
  'sandbox-history': HistoryEntry
  'sandbox-proposal': Proposal
  /** The requests left to a connection this hour. */
  bucket: Bucket
}

/** The change that stores a connection's record. */
export function connectionChange(id: ConnectionId, record: ConnectionRecord): Change {
  return { namespace: 'system', key: `connections/${id}`, value: encodeRecord('connection', record) }
}

export function encodeRecord<K extends keyof Records>(_kind: K, record: Records[K]): Uint8Array {
  return pack(record)
}

export function decodeRecord<K extends keyof Records>(_kind: K, bytes: Uint8Array): Records[K] {
  return unpack(bytes) as Records[K]
}
