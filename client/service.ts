/** A service's side of vine/1: discovers a vault, presents a contract, asks, publishes new versions. */
import { finish, hello } from '#host/contracts/handshake.ts'
import type { Profile } from '#host/contracts/profile.ts'
import { identityId } from '#host/crypto/identity.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { type Expected, type Proven, verifyPresentation } from '#host/crypto/presentation.ts'
import { exportSession, importSession, type Session } from '#host/crypto/session.ts'
import { isRefusalCode, Refusal } from '#host/errors.ts'
import { bytesOf, check, z } from '#host/schema.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import type { Shown } from '#enclave/shown.ts'
import { type Conversation, openConversation } from './conversation.ts'
import { askForEvidence, type EvidenceAsked, prepareEvidence } from './evidence.ts'
import { exchange, fetchProfile, type Invitation } from './greeting.ts'
import { connectionLanes } from './lanes.ts'
import type { ClientStore, Surroundings, Transport } from './transport.ts'

export interface ServiceOptions extends Surroundings {
  readonly transport: Transport
  readonly store: ClientStore
  readonly signing: SigningKey
}

/** What the owner agreed to. */
export interface Terms {
  readonly version: number
  /** Optional fields that are not given. */
  readonly declined: readonly string[]
}

/** Event types that this connection's contract permits, and that the vault answers otherwise than before. */
export interface ProfileChange {
  /** 32 bytes: names the new profile. */
  readonly profile: Uint8Array
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** Handler versions, before and now. */
  readonly changed: readonly { readonly type: string; readonly from: string; readonly to: string }[]
}

/** What a vault has for one connection. It holds no value of anything. */
export type Catalogue = z.infer<typeof catalogueSchema>

/** A connection to one vault. */
export interface Connected {
  readonly conversation: Conversation
  /** The terms in force; a new version's come with the answer to its publication. */
  readonly terms: () => Terms
  /** 32 bytes: the Ed25519 key that answers `auth.challenge` on this connection. */
  readonly authentication: Uint8Array
  /** What this connection may use here, and which credentials have claims that its contract declares. */
  catalogue(options: { lifeMs: number }): Promise<Catalogue>
  /**
   * Fresh evidence of the code that has this vault: judged by `trust`, bound to `profile`.
   *
   * @throws Rejection; Refusal `not-attested`, `image-unlisted`, `connection-inactive`
   */
  evidence(asked: EvidenceAsked, options: { lifeMs: number }): Promise<Shown>
  /** Told what another image of the vault's changes for this connection: read the profile anew. */
  onProfileChanged(receive: (change: ProfileChange) => void): void
  /**
   * Verifies what `identity.verify` answered, some tens of milliseconds: claims of an issuer whose word counts, proven
   * to this service and for this nonce. What their values say is the caller's to judge.
   *
   * @throws Refusal `proof-invalid`, `malformed`
   */
  verifyProof(presentation: Uint8Array, asked: Expected & { nonce: Uint8Array }): Proven
  /** Publishes the next contract version. Resolves when the owner accepted it; until then nothing is admitted. */
  publishContract(contract: Uint8Array, options: { lifeMs: number }): Promise<Terms>
}

const terms = z.object({ version: z.int().min(1), declined: z.array(z.string()) })
const typeNames = z.array(z.string())
const profileChange = z.object({
  profile: bytesOf(32),
  added: typeNames,
  removed: typeNames,
  changed: z.array(z.object({ type: z.string(), from: z.string(), to: z.string() })),
})
const catalogueSchema = z.object({
  events: z.array(
    z.object({
      type: z.string(),
      handler: z.string(),
      version: z.string(),
      summary: z.string(),
      /** Fields that it may name, by tier. */
      asks: z.array(z.object({ name: z.string(), tier: z.string() })),
    }),
  ),
  credentials: z.array(
    z.object({
      alias: z.string(),
      kind: z.string(),
      /** Whose key signed it: 43 characters that stand for the key. */
      issuer: z.string(),
      claims: z.array(z.string()),
    }),
  ),
})
const keptHello = z.object({ message: z.instanceof(Uint8Array), state: z.instanceof(Uint8Array) })
const welcome = terms.extend({ authentication: bytesOf(32) })

/** Reads the vault's profile: its keys, its handlers and what they answer. @throws Refusal `handshake-failed` */
export function discover(invitation: Invitation, options: ServiceOptions): Promise<Profile> {
  return fetchProfile(connectionLanes(invitation), invitation.identity, options)
}

/**
 * Evidence of the code that has the vault of this profile, before it is trusted with a contract: judged by `trust`.
 *
 * @throws Rejection; Refusal `not-attested`, `image-unlisted`
 */
export function evidenceOf(
  invitation: Invitation,
  asked: EvidenceAsked,
  options: Omit<ServiceOptions, 'signing'>,
): Promise<Shown> {
  return askForEvidence(connectionLanes(invitation), asked, { ...options, name: nameOf(invitation) })
}

/**
 * Presents a signed contract and waits for the owner, however long that takes. Called again after a restart it goes on
 * with the hello it sent: a vault takes one hello per invitation.
 */
export async function connect(
  invitation: Invitation,
  offer: { profile: Profile; contract: Uint8Array },
  options: ServiceOptions,
): Promise<Connected> {
  const { transport, store, crypto, now } = options
  const name = nameOf(invitation)
  const { message, state } = await helloOf(name, offer, options)
  const lanes = connectionLanes(invitation)
  const between = { outward: lanes.outward('connection.hello'), inward: lanes.inward('connection.accept') }
  const { session, decision } = await exchange(transport, { ...between, data: message, durable: true }, (data) =>
    finish(state, data, { crypto, now: now() }),
  )
  const kept = { welcome: decision, session: exportSession(session), hello: null }
  await store.put(new Map(Object.entries(kept).map(([part, value]) => [`${name}/${part}`, value])))
  return converse(invitation, { session, decision }, options)
}

/** The hello of an earlier run, or a new one, stored before it is sent. */
async function helloOf(
  name: string,
  { profile, contract }: { profile: Profile; contract: Uint8Array },
  { store, signing, crypto, random }: ServiceOptions,
): Promise<{ message: Uint8Array; state: Uint8Array }> {
  const stored = store.get(`${name}/hello`)
  if (stored) return check(keptHello, decodeCbor(stored), 'malformed', 'the stored hello')
  const made = hello({ crypto, signing, profile, offer: contract, random })
  await store.put(new Map([[`${name}/hello`, encodeCbor(made)]]))
  return made
}

/** Goes on with a connection made in an earlier run; `undefined` when there is none. */
export async function reconnect(invitation: Invitation, options: ServiceOptions): Promise<Connected | undefined> {
  const { store, crypto } = options
  const secrets = store.get(`${nameOf(invitation)}/session`)
  const decision = store.get(`${nameOf(invitation)}/welcome`)
  if (!secrets || !decision) return undefined
  const session = importSession(crypto, secrets)
  const progress = store.get(`${nameOf(invitation)}/progress`)
  if (progress) session.applyProgress(progress)
  const connected = await converse(invitation, { session, decision }, options)
  await connected.conversation.resend()
  return connected
}

async function converse(
  invitation: Invitation,
  { session, decision }: { session: Session; decision: Uint8Array },
  { transport, store, signing, crypto, now, random }: ServiceOptions,
): Promise<Connected> {
  const { authentication, ...agreed } = check(welcome, decodeCbor(decision), 'handshake-failed', 'the vault’s answer')
  let current: Terms = agreed
  const conversation = await openConversation({
    session,
    name: nameOf(invitation),
    store,
    transport,
    crypto,
    now,
    random,
    lanes: connectionLanes(invitation),
    contractVersion: () => current.version,
  })
  return {
    conversation,
    terms: () => current,
    authentication,
    onProfileChanged: (receive) =>
      conversation.on('profile.changed', ({ body }) =>
        receive(check(profileChange, decodeCbor(body), 'malformed', 'profile.changed')),
      ),
    verifyProof: (presentation, asked) =>
      verifyPresentation(crypto, presentation, {
        ...asked,
        audience: identityId(crypto, signing.publicKey),
        now: now(),
      }),
    async catalogue(options) {
      const { answer } = await conversation.request('catalogue.get', new Uint8Array(0), options)
      const reply = await answer
      if (reply.status === 'replied') return check(catalogueSchema, decodeCbor(reply.body), 'malformed', 'catalogue')
      const refused = reply.status === 'refused' ? reply.code : reply.status
      throw new Refusal('connection-inactive', `there is no catalogue for this connection: ${refused}`)
    },
    async evidence(asked, { lifeMs }) {
      const prepared = prepareEvidence({ ...asked, store, crypto, random, now, name: nameOf(invitation) })
      const reply = await (await conversation.request('evidence.get', prepared.question, { lifeMs })).answer
      if (reply.status === 'replied') return prepared.judge(reply.body)
      const [code, why] = reply.status === 'refused' ? [reply.code, reply.message] : [reply.status, reply.status]
      throw new Refusal(isRefusalCode(code) ? code : 'connection-inactive', `there is no evidence: ${why}`)
    },
    async publishContract(contract, options) {
      const { answer } = await conversation.request('contract.publish', contract, options)
      const reply = await answer
      if (reply.status !== 'replied')
        throw new Refusal('contract-stale', `the owner did not accept it: ${reply.status}`)
      current = check(terms, decodeCbor(reply.body), 'contract-invalid', 'the vault’s answer')
      return current
    },
  }
}

function nameOf({ vault, connection }: Invitation): string {
  return `vine/${vault}/${connection}`
}
