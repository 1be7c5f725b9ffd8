/** An owner's device: pairs with the vault, hears its notices, tells it what to do. */
import { signAcceptance } from '#host/contracts/acceptance.ts'
import { verifyContract, type SignedContract } from '#host/contracts/contract.ts'
import { finish, hello } from '#host/contracts/handshake.ts'
import { type Sharing, sharingCbor, sharingSchema } from '#host/contracts/sharing.ts'
import type { SigningKey, Suite } from '#host/crypto/port.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, bytesUpTo, check, z } from '#host/schema.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { type Anchor, anchored, anchorMemory, type AnchorMemory, behind, forgets } from './anchor.ts'
import { type Conversation, openConversation } from './conversation.ts'
import { exchange, fetchProfile, type Invitation, type Patience } from './greeting.ts'
import { ownerLanes } from './lanes.ts'
import { type OwnerBelongings, ownerBelongings } from './owner-belongings.ts'
import { type OwnerBrowse, ownerBrowse } from './owner-browse.ts'
import { type OwnerEntries, ownerEntries } from './owner-entries.ts'
import { type OwnerShared, ownerShared } from './owner-shared.ts'
import { type OwnerTrail, ownerTrail } from './owner-trail.ts'
import type { ClientStore, Surroundings, Transport } from './transport.ts'

export interface DeviceOptions extends Surroundings, Patience {
  readonly vault: string
  /** 32 bytes: the vault's fingerprint, noted when the vault was made. */
  readonly identity: Uint8Array
  readonly device: string
  readonly signing: SigningKey
  readonly transport: Transport
  readonly store: ClientStore
}

const line = z.object({ what: z.string(), text: z.string(), widens: z.boolean() })
const offerNotice = z.object({
  connection: z.string(),
  alias: z.string(),
  contract: bytesUpTo(65_536),
  publisher: z.instanceof(Uint8Array),
  added: z.array(line),
  removed: z.array(line),
  changed: z.array(line),
})
const questionNotice = z.object({
  question: z.string(),
  who: z.string(),
  type: z.string(),
  fields: z.array(z.string()),
  purpose: z.string(),
  /** The handler's own words; null when the contract's consent field asks. */
  text: z.string().nullable(),
  choices: z.array(z.string()),
  /** It waits for the PIN: `unlock`, and it runs; `approve` is not for it. */
  locked: z.boolean().default(false),
  askedAt: z.number(),
  expires: z.number(),
})
const map = z.record(z.string(), z.custom<Cbor>())
const locked = z.union([
  questionNotice,
  /** A request that could not wait, and was refused. */
  z.object({ question: z.null(), who: z.string(), type: z.string() }),
])
const waiting = z.object({ questions: z.array(questionNotice), offers: z.array(offerNotice) })
const paired = anchored.extend({ refused: z.literal('journal-behind').nullable().default(null) })
const invitation = z.object({ vault: z.string(), connection: z.string(), identity: bytesOf(32) })

const peerInvitation = invitation.extend({ sharing: sharingSchema })
const cut = z.object({ remains: z.array(z.string()) })
const dialed = z.object({ connection: z.string() })

/** An invitation to another vault, with what its owner would share. */
export type PeerInvitation = z.infer<typeof peerInvitation>
/** What the other owner reads who it is, and what this owner shares with them. */
export interface PeerTerms {
  readonly name: string
  readonly sharing: Sharing
}

/** A contract to decide on, verified on the device: what it says is what its publisher signed. */
export type Offer = z.infer<typeof offerNotice> & { readonly signed: SignedContract }
/** One request that waits for a yes or a no. */
export type Question = z.infer<typeof questionNotice>
/** A request that needs what is critical. */
export type LockedRequest = z.infer<typeof locked>
export interface OwnerDevice extends OwnerTrail, OwnerBrowse, OwnerBelongings {
  /** Accounts, devices and entries: what devices sign and seal. */
  readonly entries: OwnerEntries
  /** What other users share with this one. */
  readonly shared: OwnerShared
  readonly conversation: Conversation
  /** How far the vault was when it last said so. */
  readonly anchor: Anchor | undefined
  /** Has the vault move to a new key and destroy the old one: what was removed opens nowhere afterwards. */
  renewKeys(): Promise<void>
  onOffer(receive: (offer: Offer) => void): void
  onQuestion(receive: (question: Question) => void): void
  /** Told of requests that need what is critical: they wait for `unlock`, or were refused (`question` is null then). */
  onLocked(receive: (request: LockedRequest) => void): void
  /** Everything that waits for an answer: for a device that was away when it was told. */
  pending(): Promise<{ readonly questions: readonly Question[]; readonly offers: readonly Offer[] }>
  invite(alias: string, kind: 'service' | 'peer'): Promise<Invitation>
  /** Invites another vault: the invitation goes to its owner by a channel that the broker is not. */
  invitePeer(alias: string, own: PeerTerms): Promise<PeerInvitation>
  /** Connects to the vault of an invitation, and gives the connection's id. Both owners still accept. */
  connectPeer(alias: string, invitation: PeerInvitation, own: PeerTerms): Promise<string>
  /** Signs the acceptance here and tells the vault. */
  accept(offer: Offer, declined: readonly string[]): Promise<void>
  reject(offer: Offer): Promise<void>
  /** `choice` is needed when the question offers choices, and is to be left out otherwise. */
  approve(question: Question, choice?: string): Promise<void>
  deny(question: Question): Promise<void>
  /**
   * `opaque`: whether what it keeps unseen stays behind the owner's lock or goes; it stays unless it is said. Gives in
   * words what cannot be taken back: nothing when no entry was shared over it.
   */
  sever(connection: string, opaque?: 'keep' | 'discard'): Promise<readonly string[]>
}

/** How long a command may be on its way. */
const COMMAND_LIFE_MS = 3_600_000

/**
 * Pairs with the vault anew: a session of its own for this run. What the store remembers of the vault is shown to it.
 *
 * @throws Refusal `handshake-failed`, `journal-behind` when the vault is not what this device remembers
 */
export async function pairDevice(options: DeviceOptions): Promise<OwnerDevice> {
  const { vault, identity, device, signing, transport, store, crypto, now, random } = options
  const lanes = ownerLanes(vault)
  const profile = await fetchProfile(lanes, identity, options)
  const anchors = anchorMemory(store, vault)
  const known = anchors.newest
  const offer = encodeCbor({ device, ...(known && { anchor: known }) })
  const { message, state } = hello({ crypto, signing, profile, offer, random })
  const between = { outward: lanes.outward('device.hello'), inward: lanes.inward('device.accept') }
  const { session, decision } = await exchange(
    transport,
    { ...options, ...between, data: message, durable: true },
    (data) => finish(state, data, { crypto, now: now() }),
  )
  const { anchor, refused } = check(paired, decodeCbor(decision), 'handshake-failed', 'the answer to this device')
  if (refused !== null) throw behind(vault)
  await anchors.take(anchor, known)
  const conversation = await openConversation({
    session,
    name: `vine/${vault}/owner`,
    store,
    transport,
    crypto,
    now,
    random,
    lanes,
    contractVersion: () => 0,
    unknown: { vaultKey: profile.verifyKey, isBehind: forgets },
  })
  return deviceOf(conversation, { ...options, anchors, vaultKey: profile.verifyKey })
}

function deviceOf(
  conversation: Conversation,
  {
    crypto,
    signing,
    now,
    vault,
    vaultKey,
    anchors,
  }: DeviceOptions & { readonly vaultKey: Uint8Array; readonly anchors: AnchorMemory },
): OwnerDevice {
  async function command(type: string, body: Cbor): Promise<Cbor> {
    const known = anchors.newest
    const shown = known ? { ...check(map, body, 'malformed', type), anchor: known } : body
    const { answer } = await conversation.request(type, encodeCbor(shown), { lifeMs: COMMAND_LIFE_MS })
    const reply = await answer
    if (reply.status === 'refused' && reply.code === 'journal-behind') throw behind(vault)
    if (reply.status === 'replied') {
      const answer = decodeCbor(reply.body)
      await anchors.take(check(anchored, answer, 'malformed', `the answer to ${type}`).anchor, known)
      return answer
    }
    const why = reply.status === 'refused' ? `${reply.code}: ${reply.message}` : reply.status
    throw new Refusal('command-invalid', `${type} was refused: ${why}`)
  }

  return {
    conversation,
    get anchor() {
      return anchors.newest
    },
    renewKeys: () => done(command('vault.renew', {})),
    onOffer(receive) {
      for (const type of ['contract.presented', 'contract.changed']) {
        conversation.on(type, ({ body }) => receive(readOffer(crypto, body)))
      }
    },
    onQuestion(receive) {
      conversation.on('consent.asked', ({ body }) =>
        receive(check(questionNotice, decodeCbor(body), 'malformed', 'question')),
      )
    },
    onLocked(receive) {
      conversation.on('factor.needed', ({ body }) => receive(check(locked, decodeCbor(body), 'malformed', 'notice')))
    },
    async pending() {
      const { questions, offers } = check(waiting, await command('pending.list', {}), 'malformed', 'what is pending')
      return { questions, offers: offers.map((offer) => verifiedOffer(crypto, offer)) }
    },
    async invite(alias, kind) {
      return check(invitation, await command('connection.invite', { alias, kind }), 'malformed', 'invitation')
    },
    async invitePeer(alias, { name, sharing }) {
      const body = { alias, kind: 'peer', name, sharing: sharingCbor(sharing) }
      return check(peerInvitation, await command('connection.invite', body), 'malformed', 'invitation')
    },
    async connectPeer(alias, { sharing: theirs, ...place }, { name, sharing }) {
      const invited = { ...place, sharing: sharingCbor(theirs) }
      const body = { alias, invitation: invited, name, sharing: sharingCbor(sharing) }
      return check(dialed, await command('peer.connect', body), 'malformed', 'connection').connection
    },
    ...decisions(command, { signing, now }),
    async sever(connection, opaque = 'keep') {
      return check(cut, await command('connection.sever', { connection, opaque }), 'malformed', 'what remains').remains
    },
    entries: ownerEntries(command),
    shared: ownerShared(conversation),
    ...ownerBelongings(command),
    ...ownerBrowse(command),
    ...ownerTrail(command, { crypto, conversation, vault, vaultKey }),
  }
}

/** What an owner says to offers and questions. */
function decisions(
  command: (type: string, body: Cbor) => Promise<Cbor>,
  { signing, now }: Pick<DeviceOptions, 'signing' | 'now'>,
): Pick<OwnerDevice, 'accept' | 'reject' | 'approve' | 'deny'> {
  return {
    async accept(offer, declined) {
      const acceptance = signAcceptance(
        { contract: offer.signed, connection: offer.connection, declined, acceptedAt: now() },
        signing,
      )
      await command('contract.accept', { connection: offer.connection, acceptance })
    },
    reject: (offer) => done(command('contract.reject', { connection: offer.connection })),
    approve: ({ question }, choice) =>
      done(command('consent.approve', choice === undefined ? { question } : { question, choice })),
    deny: ({ question }) => done(command('consent.deny', { question })),
  }
}

function readOffer(crypto: Suite, body: Uint8Array): Offer {
  return verifiedOffer(crypto, check(offerNotice, decodeCbor(body), 'malformed', 'offer'))
}

function verifiedOffer(crypto: Suite, notice: z.infer<typeof offerNotice>): Offer {
  return { ...notice, signed: verifyContract(crypto, notice.contract, notice.publisher) }
}

async function done(command: Promise<Cbor>): Promise<void> {
  await command
}
