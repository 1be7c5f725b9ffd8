/**
 * The vine/1 handshake: two messages that authenticate both sides, hide the initiator's key from the broker, and leave
 * one root secret. Both sides sign; two X-Wing secrets are mixed, one to the responder's published prekey, one to the
 * initiator's ephemeral key.
 *
 *     th1 = H("vine/1 th" | hello header)           k1 = Extract(H("vine/1 hs" | profile hash), ss1)
 *     th  = H(th1 | hello ciphertext)               hello key  = Expand(k1, "hello key", th1)
 *     th2 = H(th | accept header)                   k2 = Extract(Expand(k1, "mix", th2), ss2)
 *     root = Expand(k2, "root", H(th2 | accept ciphertext))       accept key = Expand(k2, "accept key", th2)
 */
import { expand, extract } from '#host/crypto/derive.ts'
import { identityId } from '#host/crypto/identity.ts'
import type { OpeningKey, SealContext, SecretKey, SigningKey, Suite } from '#host/crypto/port.ts'
import { createSession, type Session } from '#host/crypto/session.ts'
import {
  KEM_PUBLIC_KEY_BYTES,
  KEM_SEED_BYTES,
  NONCE_BYTES,
  SIGNATURE_BYTES,
  VERIFY_KEY_BYTES,
} from '#host/crypto/sizes.ts'
import { Refusal } from '#host/errors.ts'
import { MESSAGE_BYTES_MAX } from '#host/limits.ts'
import { bytesOf, bytesUpTo, check, z } from '#host/schema.ts'
import { equalBytes, joinBytes } from '#host/wire/bytes.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { acceptHeader, decodeEnvelope, encodeEnvelope, HASH_BYTES, helloHeader } from '#host/wire/envelope.ts'

import type { Profile } from './profile.ts'

/** A hello that was opened and whose signature holds: who asks, and what they offer. Nothing is agreed yet. */
export interface HelloOffer {
  /** Raw composite verify key, 1,984 bytes. */
  readonly peerKey: Uint8Array
  /** 32 bytes: `identityId` of the key. */
  readonly peerId: Uint8Array
  /** A signed contract, or a device's introduction: opaque here. */
  readonly offer: Uint8Array
}

/** Whom a hello must be for. */
export interface Responder {
  readonly crypto: Suite
  readonly prekey: OpeningKey
  readonly profileHash: Uint8Array
}

// Each AEAD key of the handshake seals one message.
const NONCE = new Uint8Array(NONCE_BYTES)
const hash = bytesOf(HASH_BYTES)
const opaque = bytesUpTo(MESSAGE_BYTES_MAX)
const innerHello = z.strictObject({
  s: bytesOf(SIGNATURE_BYTES),
  eph: bytesOf(KEM_PUBLIC_KEY_BYTES),
  sig: bytesOf(VERIFY_KEY_BYTES),
  hash,
  offer: opaque,
})
const innerAccept = z.strictObject({ s: bytesOf(SIGNATURE_BYTES), hash, decision: opaque })
const stateSchema = z.strictObject({
  k1: hash,
  eph: bytesOf(KEM_SEED_BYTES),
  peer: bytesOf(VERIFY_KEY_BYTES),
  self: hash,
  offer: hash,
  transcript: hash,
})

/**
 * The first message, for the vault of a verified profile, and what `finish` needs once it was accepted: `state` is
 * secret, to be stored sealed.
 *
 * @throws Refusal `handshake-failed` for a profile whose prekey is none
 */
export function hello(options: {
  readonly crypto: Suite
  readonly signing: SigningKey
  readonly profile: Profile
  readonly offer: Uint8Array
  readonly random: (count: number) => Uint8Array
}): { message: Uint8Array; state: Uint8Array } {
  const { crypto, signing, profile, offer, random } = options
  const { ciphertext: kemCiphertext, sharedSecret } = failing('profile', () => crypto.encapsulate(profile.prekey))
  const header = helloHeader({ profileHash: profile.hash, kemCiphertext })
  const { k1, th1 } = helloSecrets(crypto, { profileHash: profile.hash, header, sharedSecret })
  const eph = random(KEM_SEED_BYTES)
  const fields = { eph: crypto.openingKey(eph).publicKey, sig: signing.publicKey, hash: crypto.digest(offer) }
  const s = signing.sign('vine/1 hello', helloStatement(crypto, th1, fields))
  const sealing = { key: expand(k1, 'hello key', th1), nonce: NONCE, aad: header }
  const ciphertext = sealOnce(crypto, sealing, encodeCbor({ s, ...fields, offer }))
  const kept = k1.export()
  const state = encodeCbor({
    k1: kept,
    eph,
    peer: profile.verifyKey,
    self: crypto.digest(fields.sig),
    offer: fields.hash,
    transcript: crypto.digest(th1, ciphertext),
  })
  kept.fill(0)
  eph.fill(0)
  return { message: encodeEnvelope({ header, ciphertext }), state }
}

/**
 * Opens a hello. The same bytes open again until the prekey is thrown away: whoever keeps state dedupes them.
 *
 * @throws Refusal `handshake-failed` (not for this profile, not opened by this prekey, a signature that does not hold),
 *   or what `decodeEnvelope` throws
 */
export function readHello(responder: Responder, bytes: Uint8Array): HelloOffer {
  const { peerKey, offer } = openHello(responder, bytes)
  return { peerKey, peerId: identityId(responder.crypto, peerKey), offer }
}

/**
 * Accepts a hello, now or days after it was read: needs its bytes and the prekey it was made for. Each call makes
 * another session, so the message is stored and the same one sent again when the hello is repeated.
 *
 * @throws Refusal as `readHello`
 */
export function accept(
  options: Responder & {
    readonly hello: Uint8Array
    readonly signing: SigningKey
    /** What the owner made of the offer: opaque here, authenticated to the initiator. */
    readonly decision: Uint8Array
    readonly now: number
  },
): { message: Uint8Array; session: Session } {
  const { crypto, signing, decision, now } = options
  const { k1, eph, peerKey, offerHash, transcript } = openHello(options, options.hello)
  const { ciphertext: kemCiphertext, sharedSecret } = failing('hello', () => crypto.encapsulate(eph))
  const header = acceptHeader({ transcript, kemCiphertext })
  const { k2, th2 } = acceptSecrets(crypto, { k1, transcript, header, sharedSecret })
  const statement = acceptStatement(crypto, { th2, initiator: crypto.digest(peerKey), offerHash, decision })
  const inner = encodeCbor({ s: signing.sign('vine/1 accept', statement), hash: offerHash, decision })
  const ciphertext = sealOnce(crypto, { key: expand(k2, 'accept key', th2), nonce: NONCE, aad: header }, inner)
  const session = createSession(crypto, rootOf(crypto, { k2, th2, ciphertext }), { role: 'responder', now })
  return { message: encodeEnvelope({ header, ciphertext }), session }
}

/**
 * Takes the answer to a hello. A state finishes once: drop it with the commit that stores the session.
 *
 * @throws Refusal `handshake-failed` (of another hello, not sealed or not signed by the profile's key), or what
 *   `decodeEnvelope` throws; the state is as good as before then
 */
export function finish(
  stored: Uint8Array,
  bytes: Uint8Array,
  { crypto, now }: { readonly crypto: Suite; readonly now: number },
): { session: Session; decision: Uint8Array } {
  const state = check(stateSchema, decodeCbor(stored), 'malformed', 'stored handshake')
  const k1 = crypto.secret(state.k1)
  const envelope = decodeEnvelope(bytes)
  if (envelope.kind !== 'accept' || !equalBytes(envelope.transcript, state.transcript)) {
    throw new Refusal('handshake-failed', 'accept: not of this hello')
  }
  const { header, ciphertext } = envelope
  const { inner, k2, th2 } = failing('accept', () => {
    const sharedSecret = crypto.openingKey(state.eph).decapsulate(envelope.kemCiphertext)
    const secrets = acceptSecrets(crypto, { k1, transcript: state.transcript, header, sharedSecret })
    const opening = { key: expand(secrets.k2, 'accept key', secrets.th2), nonce: NONCE, aad: header }
    return { ...secrets, inner: openInner(innerAccept, openOnce(crypto, opening, ciphertext)) }
  })
  state.eph.fill(0)
  const { decision, s: signature } = inner
  const message = acceptStatement(crypto, { th2, initiator: state.self, offerHash: state.offer, decision })
  const signed = crypto.verify({ publicKey: state.peer, context: 'vine/1 accept', message, signature })
  if (!signed || !equalBytes(inner.hash, state.offer)) {
    throw new Refusal('handshake-failed', 'accept: not signed by the vault of the profile for this offer')
  }
  const root = rootOf(crypto, { k2, th2, ciphertext })
  return { session: createSession(crypto, root, { role: 'initiator', now }), decision }
}

interface OpenedHello {
  readonly k1: SecretKey
  readonly eph: Uint8Array
  readonly peerKey: Uint8Array
  readonly offer: Uint8Array
  readonly offerHash: Uint8Array
  readonly transcript: Uint8Array
}

function openHello({ crypto, prekey, profileHash }: Responder, bytes: Uint8Array): OpenedHello {
  const envelope = decodeEnvelope(bytes)
  if (envelope.kind !== 'hello') throw new Refusal('handshake-failed', 'hello: another kind of envelope')
  if (!equalBytes(envelope.profileHash, profileHash)) {
    throw new Refusal('handshake-failed', 'hello: for another profile; read the profile again')
  }
  const { header, ciphertext } = envelope
  const { k1, th1, inner } = failing('hello', () => {
    const sharedSecret = prekey.decapsulate(envelope.kemCiphertext)
    const secrets = helloSecrets(crypto, { profileHash, header, sharedSecret })
    const opening = { key: expand(secrets.k1, 'hello key', secrets.th1), nonce: NONCE, aad: header }
    return { ...secrets, inner: openInner(innerHello, openOnce(crypto, opening, ciphertext)) }
  })
  const { eph, sig: peerKey, offer, hash: offerHash, s: signature } = inner
  const message = helloStatement(crypto, th1, inner)
  const signed = crypto.verify({ publicKey: peerKey, context: 'vine/1 hello', message, signature })
  if (!signed || !equalBytes(crypto.digest(offer), offerHash)) {
    throw new Refusal('handshake-failed', 'hello: not signed by the key in it for this offer')
  }
  return { k1, eph, peerKey, offer, offerHash, transcript: crypto.digest(th1, ciphertext) }
}

/** Seals the one message of a key, which is wiped. */
function sealOnce(crypto: Suite, sealing: SealContext, plaintext: Uint8Array): Uint8Array {
  const sealed = crypto.seal(sealing, plaintext)
  sealing.key.fill(0)
  return sealed
}

/** Opens it; the key is wiped either way. */
function openOnce(crypto: Suite, opening: SealContext, sealed: Uint8Array): Uint8Array {
  try {
    return crypto.open(opening, sealed)
  } finally {
    opening.key.fill(0)
  }
}

function helloSecrets(
  crypto: Suite,
  from: { profileHash: Uint8Array; header: Uint8Array; sharedSecret: Uint8Array },
): { k1: SecretKey; th1: Uint8Array } {
  const k1 = crypto.secret(extract(crypto, crypto.digest('vine/1 hs', from.profileHash), from.sharedSecret))
  from.sharedSecret.fill(0)
  return { k1, th1: crypto.digest('vine/1 th', from.header) }
}

/** The shared secret is wiped. */
function acceptSecrets(
  crypto: Suite,
  from: { k1: SecretKey; transcript: Uint8Array; header: Uint8Array; sharedSecret: Uint8Array },
): { k2: SecretKey; th2: Uint8Array } {
  const th2 = crypto.digest(from.transcript, from.header)
  const k2 = crypto.secret(extract(crypto, expand(from.k1, 'mix', th2), from.sharedSecret))
  from.sharedSecret.fill(0)
  return { k2, th2 }
}

/** The session's first root. */
function rootOf(crypto: Suite, from: { k2: SecretKey; th2: Uint8Array; ciphertext: Uint8Array }): Uint8Array {
  return expand(from.k2, 'root', crypto.digest(from.th2, from.ciphertext))
}

function helloStatement(
  crypto: Suite,
  th1: Uint8Array,
  inner: { sig: Uint8Array; eph: Uint8Array; hash: Uint8Array },
): Uint8Array {
  return joinBytes([th1, crypto.digest(encodeCbor([inner.sig, inner.eph, inner.hash]))])
}

function acceptStatement(
  crypto: Suite,
  about: { th2: Uint8Array; initiator: Uint8Array; offerHash: Uint8Array; decision: Uint8Array },
): Uint8Array {
  return joinBytes([about.th2, about.initiator, about.offerHash, crypto.digest(about.decision)])
}

function openInner<T>(schema: z.ZodType<T>, plaintext: Uint8Array): T {
  const value: Cbor = decodeCbor(plaintext, { depthMax: 1, itemsMax: 16 })
  return check(schema, value, 'handshake-failed', 'inner message')
}

/** Whatever is wrong inside, the other side learns one thing. */
function failing<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    throw new Refusal('handshake-failed', `${what}: could not be opened: ${cause.message}`, { cause })
  }
}
