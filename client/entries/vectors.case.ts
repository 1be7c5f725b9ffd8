/**
 * What every provider makes of the vectors in `spec/vectors/entries/`. Checks without a test runner: vitest runs them
 * in Node, a page runs them in a browser.
 */
import type { Suite } from '#host/crypto/port.ts'
import { deviceId, parseDeviceKeys, userId } from '#host/entries/device.ts'
import { walkDirectory } from '#host/entries/directory.ts'
import { decodeHeads, encodeHeads, hashHeads } from '#host/entries/heads.ts'
import { parseDeviceId, parseUserId } from '#host/entries/ids.ts'
import { decodePrune, verifyPrune } from '#host/entries/prune.ts'
import { openPart, sealPart } from '#host/entries/sealed.ts'
import { enterChannel, openShare, sealShare } from '#host/entries/share.ts'
import { ulidText } from '#host/entries/ulid.ts'
import { decodeVersion, hashRecipients, signedMessage, verifyVersion } from '#host/entries/version.ts'

import { readFrames } from './frames.ts'
import { openRecovery } from './recovery.ts'

interface Seeds {
  readonly signing: string
  readonly sealing: string
}
interface Ids {
  readonly user: string
  readonly devices: readonly {
    readonly name: string
    readonly seeds: Seeds
    readonly keys: Seeds
    readonly id: string
  }[]
  readonly ulids: readonly { readonly text: string; readonly bytes: string }[]
  readonly frames: readonly string[]
}
interface Directory {
  readonly user: string
  readonly statements: readonly string[]
  readonly hashes: readonly string[]
  readonly now: number
  readonly devices: readonly { readonly id: string; readonly label: string; readonly status: string }[]
  readonly heads: string
  readonly headsHash: string
}
interface Entries {
  readonly entry: { readonly bytes: string; readonly text: string }
  readonly keys: Record<'outline' | 'content', string>
  readonly plain: Record<'outline' | 'content', string>
  readonly sealed: Record<'outline' | 'content', string>
  readonly recipients: readonly string[]
  readonly version: Record<'header' | 'contentHash' | 'signedMessage' | 'signature', string>
  readonly channel: Record<'sharer' | 'recipient' | 'ciphertext' | 'key', string> & { readonly epoch: number }
  readonly share: string
  readonly prune: string
}
interface Recovery {
  readonly passphrase: string
  readonly header: { readonly account: string; readonly device: string; readonly server: string }
  readonly seeds: Seeds
  readonly file: string
}

/** The files, by their names. Bytes are hexadecimal. */
export interface Vectors {
  readonly ids: Ids
  readonly directory: Directory
  readonly entries: Entries
  readonly recovery: Recovery
}

export interface VectorCheck {
  readonly name: string
  /** @throws Error that says what is not what was published */
  readonly run: (crypto: Suite, vectors: Vectors) => void | Promise<void>
}

const hex = (text: string) => Uint8Array.fromHex(text)

/** Bytes as hexadecimal, everything else as JSON. */
export function same(what: string, found: unknown, wanted: unknown): void {
  const [a, b] = [found, wanted].map(textOf)
  if (a !== b) throw new Error(`${what}: ${a?.slice(0, 200)}, not ${b?.slice(0, 200)}`)
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (part instanceof Uint8Array ? part.toHex() : part))
}

export const vectorChecks: readonly VectorCheck[] = [
  { name: 'makes keys, ids and frames', run: makesIds },
  { name: 'walks the directory', run: walks },
  { name: 'verifies the version and the command to forget it', run: verifies },
  { name: 'opens the channel, the share and what is sealed, and makes the same bytes', run: opens },
  { name: 'opens the recovery file', run: recovers },
]

function makesIds(crypto: Suite, { ids }: Vectors): void {
  for (const { name, seeds, keys, id } of ids.devices) {
    const made = {
      signing: crypto.signingKey(hex(seeds.signing)).publicKey,
      sealing: crypto.openingKey(hex(seeds.sealing)).publicKey,
    }
    same(`keys of ${name}`, made, keys)
    same(`id of ${name}`, deviceId(crypto, made), id)
  }
  const [root, tablet] = ids.devices.map(({ keys }) => ({ signing: hex(keys.signing), sealing: hex(keys.sealing) }))
  same('user', root && userId(crypto, root), ids.user)
  for (const { text, bytes } of ids.ulids) same('ulid', ulidText(hex(bytes)), text)
  const reader = readFrames(crypto, 'KEYS')
  const bytes = ids.frames.map((frame) => reader.take(frame)).at(-1)
  same('frames', bytes && parseDeviceKeys(bytes), tablet)
}

function walks(crypto: Suite, { ids, directory }: Vectors): void {
  const { statements, now } = directory
  const walked = walkDirectory(crypto, { user: parseUserId(hex(ids.user)), statements: statements.map(hex), now })
  same('ignored', walked.ignored, [])
  same('hashes', walked.hashes, directory.hashes)
  const told = [...walked.devices.values()].map(({ id, label, status, role }) => ({ id, label, status, role }))
  same('devices', told, directory.devices)
  same('heads', encodeHeads(decodeHeads(hex(directory.heads))), directory.heads)
  same('hash of heads', hashHeads(crypto, hex(directory.heads)), directory.headsHash)
}

function verifies(crypto: Suite, { ids, entries }: Vectors): void {
  const signingKey = hex(ids.devices[0]?.keys.signing ?? '')
  const { header, signature, contentHash } = entries.version
  const version = decodeVersion(crypto, { header: hex(header), signature: hex(signature) })
  same('content hash', version.hash, contentHash)
  same('what is signed', signedMessage(version.header, version.hash), entries.version.signedMessage)
  same('version', verifyVersion(crypto, version, signingKey), true)
  const recipients = entries.recipients.map((id) => parseDeviceId(hex(id)))
  same('recipients', version.header.recipients, hashRecipients(crypto, recipients))
  same('prune', verifyPrune(crypto, decodePrune(hex(entries.prune)), signingKey), true)
}

function opens(crypto: Suite, { ids, entries }: Vectors): void {
  const tablet = crypto.openingKey(hex(ids.devices[1]?.seeds.sealing ?? ''))
  const { sharer, recipient, epoch, ciphertext, key } = entries.channel
  const pair = { sharer: parseDeviceId(hex(sharer)), recipient: parseDeviceId(hex(recipient)), epoch }
  const channel = enterChannel(crypto, { ...pair, ciphertext: hex(ciphertext) }, tablet)
  same('channel', channel.key, key)
  const { header, signature } = entries.version
  const version = decodeVersion(crypto, { header: hex(header), signature: hex(signature) })
  const share = { ...pair, sealed: hex(entries.share) }
  const keys = { outline: hex(entries.keys.outline), content: hex(entries.keys.content) }
  same('share', sealShare(crypto, channel, version, keys).sealed, entries.share)
  for (const part of ['outline', 'content'] as const) {
    const opened = openShare(crypto, channel, version, { part, share })
    same(`key of ${part}`, opened, entries.keys[part])
    const place = { ...version.header, part }
    same(`opened ${part}`, openPart(crypto, place, opened, hex(entries.sealed[part])), entries.plain[part])
    same(`sealed ${part}`, sealPart(crypto, place, opened, hex(entries.plain[part])), entries.sealed[part])
  }
}

async function recovers(crypto: Suite, { recovery }: Vectors): Promise<void> {
  const options = { crypto, hashPassphrase: crypto.hashPassphrase, passphrase: recovery.passphrase }
  const { header, seeds } = await openRecovery(hex(recovery.file), options)
  same('seeds', { signing: seeds.signing, sealing: seeds.sealing }, recovery.seeds)
  const { account, device, server } = recovery.header
  same('header', [header.account, header.device, header.server], [account, device, server])
}
