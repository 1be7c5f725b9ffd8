/**
 * Channels and shares. A channel is one X-Wing encapsulation from a sharer to a recipient; a share is made of it, for
 * one version, and opens in two halves: the outline's key, and the content's.
 *
 * `channel key = HKDF(salt "entries/1 channel", X-Wing secret, sharer ‖ recipient ‖ epoch ‖ SHA-256(ciphertext), 32)`;
 * `okm = HKDF(salt = content hash, channel key, "entries/1 share" ‖ user ‖ entry ‖ version ‖ recipient, 96)`; share =
 * `okm[0..32] ‖ AES-256-GCM(okm[32..64], outline key) ‖ AES-256-GCM(okm[64..96], content key)`, nonce 0, aad = info.
 */
import type { OpeningKey } from '#host/crypto/port.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes, joinBytes } from '#host/wire/bytes.ts'

import { type DeviceId, HASH_BYTES } from './ids.ts'
import { VERSIONS_MAX } from './limits.ts'
import type { Channel, Share, SignedVersion, VersionKeys } from './model.ts'
import type { EntryCrypto } from './port.ts'
import { type Part, ZERO_NONCE } from './sealed.ts'

/** Commitment, then two keys of 32 bytes with their tags. */
export const SHARE_BYTES = 128
const HALF_BYTES = 48
const OKM_BYTES = 96

const utf8 = new TextEncoder()
const CHANNEL_SALT = utf8.encode('entries/1 channel')
const SHARE_LABEL = utf8.encode('entries/1 share')

/** A channel with its secret: of whoever made it, or of the recipient. */
export interface ChannelKey {
  readonly channel: Channel
  /** 32 bytes; the holder wipes them. */
  readonly key: Uint8Array
}

export interface ChannelPlace {
  readonly sharer: DeviceId
  readonly recipient: DeviceId
  /** 1 or more. */
  readonly epoch: number
}

/** A new channel to a recipient's sealing key. @throws Refusal `malformed` for a key that is none */
export function openChannel(crypto: EntryCrypto, place: ChannelPlace, sealingKey: Uint8Array): ChannelKey {
  if (place.epoch < 1 || place.epoch > VERSIONS_MAX) throw new Error(`channel: no epoch ${place.epoch}`)
  const { ciphertext, sharedSecret } = crypto.encapsulate(sealingKey)
  const channel = { ...place, ciphertext }
  return { channel, key: channelKey(crypto, channel, sharedSecret) }
}

/** The same channel at its recipient. @throws Refusal `malformed` for a ciphertext that is none */
export function enterChannel(crypto: EntryCrypto, channel: Channel, opener: OpeningKey): ChannelKey {
  return { channel, key: channelKey(crypto, channel, opener.decapsulate(channel.ciphertext)) }
}

/** Wipes the secret. */
function channelKey(crypto: EntryCrypto, { sharer, recipient, epoch, ciphertext }: Channel, secret: Uint8Array) {
  const number = new Uint8Array(4)
  new DataView(number.buffer).setUint32(0, epoch)
  const info = joinBytes([sharer, recipient, number, crypto.digest(ciphertext)])
  const key = crypto.derive({ salt: CHANNEL_SALT, input: secret, info, length: HASH_BYTES })
  secret.fill(0)
  return key
}

/** A version's keys for the channel's recipient. */
export function sealShare(crypto: EntryCrypto, to: ChannelKey, version: SignedVersion, keys: VersionKeys): Share {
  const { sharer, recipient, epoch } = to.channel
  const { okm, info } = shareKeys(crypto, to, version)
  const half = (at: number, key: Uint8Array) =>
    crypto.seal({ key: okm.subarray(at, at + HASH_BYTES), nonce: ZERO_NONCE, aad: info }, key)
  const sealed = joinBytes([
    okm.subarray(0, HASH_BYTES),
    half(HASH_BYTES, keys.outline),
    half(2 * HASH_BYTES, keys.content),
  ])
  okm.fill(0)
  return { sharer, recipient, epoch, sealed }
}

/**
 * One half of a share: the key of that part alone, 32 bytes for the caller to wipe.
 *
 * @throws Refusal `unopenable` when the share was made for another version, recipient or channel
 */
export function openShare(
  crypto: EntryCrypto,
  from: ChannelKey,
  version: SignedVersion,
  half: { readonly part: Part; readonly share: Share },
): Uint8Array {
  const { sealed } = half.share
  const { okm, info } = shareKeys(crypto, from, version)
  try {
    if (sealed.length !== SHARE_BYTES || !equalBytes(sealed.subarray(0, HASH_BYTES), okm.subarray(0, HASH_BYTES))) {
      throw new Refusal('unopenable', 'share: made for another version, device or channel')
    }
    const index = half.part === 'outline' ? 0 : 1
    const key = okm.subarray(HASH_BYTES * (index + 1), HASH_BYTES * (index + 2))
    const at = HASH_BYTES + HALF_BYTES * index
    return crypto.open({ key, nonce: ZERO_NONCE, aad: info }, sealed.subarray(at, at + HALF_BYTES))
  } finally {
    okm.fill(0)
  }
}

function shareKeys(crypto: EntryCrypto, { channel, key }: ChannelKey, { header, hash }: SignedVersion) {
  const info = joinBytes([SHARE_LABEL, header.user, header.entry, header.version, channel.recipient])
  return { okm: crypto.derive({ salt: hash, input: key, info, length: OKM_BYTES }), info }
}
