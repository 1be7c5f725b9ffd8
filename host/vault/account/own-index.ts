/**
 * Which entry a handler means by a name. The vault's own device opens the outline of whatever it has a share of; what
 * is found so is judged when it is served, not before: an outline that lies can hide an entry, as withholding it can.
 */
import { type EntryId, parseEntryId } from '#host/entries/ids.ts'
import { type ServedName, servedName } from '#host/entries/kinds.ts'
import type { Device, SignedVersion } from '#host/entries/model.ts'
import { decodeOutline, openPart, type Part } from '#host/entries/sealed.ts'
import { type ChannelKey, enterChannel, openShare } from '#host/entries/share.ts'
import { decodeVersion } from '#host/entries/version.ts'
import { Refusal } from '#host/errors.ts'
import { SCAN_ITEMS_MAX } from '#host/limits.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import type { Vault } from '../vault.ts'
import { crypto, deviceOfKey, ownDirectory } from './directory.ts'
import { channelKey, HEAD_PREFIX, heldChannel, heldShare, heldVersion, TURN } from './held.ts'
import { decodeEntryRecord } from './rows.ts'
import { distrust } from './own-distrust.ts'
import { forgetOwn, type SeenHead } from './own.ts'

/** The key of the head of the entry of this name, the one made last of several. */
export function namedEntry(vault: Vault, { kind, name }: ServedName, now: number): string | undefined {
  return isCurrent(vault, now) ? vault.account.own.names.get(`${kind} ${name}`) : undefined
}

/** All of a kind, by their names. */
export function namedEntries(vault: Vault, kind: string, now: number): (readonly [name: string, key: string])[] {
  if (!isCurrent(vault, now)) return []
  const prefix = `${kind} `
  return [...vault.account.own.names].flatMap(([name, key]) =>
    name.startsWith(prefix) ? [[name.slice(prefix.length), key] as const] : [],
  )
}

/** Looks at what is new since. False when the vault has no device of its own. */
function isCurrent(vault: Vault, now: number): boolean {
  const { own } = vault.account
  const directory = ownDirectory(vault, now)
  if (directory !== own.directory) {
    forgetOwn(own)
    own.directory = directory
    const device = directory && deviceOfKey(directory, vault.signing.publicKey)
    own.device = device?.role === 'vault' && device.status === 'active' ? device : undefined
  }
  if (!own.device) return false
  const turn = vault.store.namespace('entries').get(TURN)?.revision ?? 0
  if (own.turn === turn) return true
  lookAtHeads(vault, own.device)
  own.turn = turn
  return true
}

function lookAtHeads(vault: Vault, device: Device): void {
  const { own } = vault.account
  const before = new Map(own.heads)
  own.heads.clear()
  own.names.clear()
  const space = vault.store.namespace('entries')
  let after: string | undefined
  do {
    const page = space.scan({ prefix: HEAD_PREFIX, limit: SCAN_ITEMS_MAX, ...(after !== undefined && { after }) })
    for (const [key, { revision, value }] of page.items) {
      const known = before.get(key)
      const seen = known?.revision === revision ? known : lookAt(vault, device, { key, revision, value, known })
      own.heads.set(key, seen)
      if (seen.name) own.names.set(`${seen.name.kind} ${seen.name.name}`, key)
    }
    after = page.next
  } while (after !== undefined)
}

function lookAt(
  vault: Vault,
  device: Device,
  {
    key,
    revision,
    value,
    known,
  }: {
    readonly key: string
    readonly revision: number
    readonly value: Uint8Array
    readonly known: SeenHead | undefined
  },
): SeenHead {
  const entry = parseEntryId(Uint8Array.fromHex(key.slice(HEAD_PREFIX.length)))
  const { seq } = decodeEntryRecord(value)
  const nothing = { revision, entry, name: null }
  const held = heldVersion(vault, entry, seq)
  if (!held?.outline || !heldShare(vault, held.version, device.id)) return nothing
  try {
    const signed = decodeVersion(crypto, held)
    if (!signed.header.audience.handlers) return nothing
    const bytes = openOwn(vault, signed, { part: 'outline', sealed: held.outline, entry })
    return bytes ? { revision, entry, name: servedName(decodeOutline(bytes)) ?? null } : nothing
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    // What it was called before it is called still, and judged when it is asked for: nothing older takes its place.
    if (known?.name) return { ...known, revision }
    distrust(vault, { entry, seq, code: cause.code === 'unopenable' ? 'share-swapped' : 'version-malformed' })
    return nothing
  }
}

/**
 * A part of a version with the vault's own share, for the caller to wipe; undefined without one.
 *
 * @throws Refusal `unopenable` when share, channel or part are not those of this version; `malformed`
 */
export function openOwn(
  vault: Vault,
  signed: SignedVersion,
  { part, sealed, entry }: { readonly part: Part; readonly sealed: Uint8Array; readonly entry: EntryId },
): Uint8Array | undefined {
  const { device } = vault.account.own
  const share = device && heldShare(vault, signed.header.version, device.id)
  if (!share) return undefined
  const from = entered(vault, share)
  const key = openShare(crypto, from, signed, { part, share })
  try {
    // For the place it is asked for at: a version of another entry opens here as nothing.
    return openPart(crypto, { ...signed.header, entry, part }, key, sealed)
  } finally {
    key.fill(0)
  }
}

/** One decapsulation for a channel, however many shares are of it. */
function entered(vault: Vault, place: Omit<ChannelKey['channel'], 'ciphertext'>): ChannelKey {
  const { channels } = vault.account.own
  const channel = heldChannel(vault, place)
  if (!channel) throw new Refusal('unopenable', 'share: of no channel that is kept')
  const key = channelKey(place)
  const known = channels.get(key)
  if (known && equalBytes(known.channel.ciphertext, channel.ciphertext)) return known
  known?.key.fill(0)
  const opened = enterChannel(crypto, channel, vault.prekey)
  channels.set(key, opened)
  return opened
}
