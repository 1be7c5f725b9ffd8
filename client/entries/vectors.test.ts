import { readFileSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import { generateKemKey } from '#host/crypto/kem.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { deviceId, parseDeviceKeys, userId } from '#host/entries/device.ts'
import { walkDirectory } from '#host/entries/directory.ts'
import { decodeHeads, encodeHeads, hashHeads } from '#host/entries/heads.ts'
import { parseDeviceId, parseUserId } from '#host/entries/ids.ts'
import { nativeCrypto, nativeHashPassphrase, nativeOpener, nativeSigner } from '#host/entries/native.ts'
import { decodePrune, verifyPrune } from '#host/entries/prune.ts'
import { openPart, sealPart } from '#host/entries/sealed.ts'
import { enterChannel, openShare, sealShare } from '#host/entries/share.ts'
import { ulidText } from '#host/entries/ulid.ts'
import { decodeVersion, hashRecipients, signedMessage, verifyVersion } from '#host/entries/version.ts'

import { makeVectors, vectorFolder, vectorText } from '../../scripts/entry-vectors.ts'
import { portableCrypto, portableHashPassphrase, portableOpener, portableSigner } from '../portable/provider.ts'
import { readFrames } from './frames.ts'
import { random } from './host.fixture.ts'
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

function load(name: string): unknown {
  return JSON.parse(readFileSync(`${vectorFolder}${name}.json`, 'utf8'))
}
const hex = (text: string) => Uint8Array.fromHex(text)
const ids = load('ids') as Ids
const directory = load('directory') as Directory
const entries = load('entries') as Entries
const recovery = load('recovery') as Recovery

test('the files are what their seeds give', { timeout: 120_000 }, async () => {
  for (const [name, vector] of Object.entries(await makeVectors())) {
    expect(JSON.parse(vectorText(vector)), name).toEqual(load(name))
  }
})

const native = {
  crypto: nativeCrypto,
  hashPassphrase: nativeHashPassphrase,
  signer: (seed: Uint8Array) => nativeSigner(generateSigningKey(seed)),
  opener: (seed: Uint8Array) => nativeOpener(generateKemKey(seed)),
}
const portable = {
  crypto: portableCrypto(random),
  hashPassphrase: portableHashPassphrase,
  signer: (seed: Uint8Array) => portableSigner(seed),
  opener: (seed: Uint8Array) => portableOpener(seed),
}

describe.each([
  ['native', native],
  ['portable', portable],
])('the %s provider', (_name, { crypto, hashPassphrase, signer, opener }) => {
  test('makes keys, ids and frames', () => {
    for (const { seeds, keys, id } of ids.devices) {
      const made = { signing: signer(hex(seeds.signing)).publicKey, sealing: opener(hex(seeds.sealing)).publicKey }
      expect([made.signing.toHex(), made.sealing.toHex()]).toEqual([keys.signing, keys.sealing])
      expect(deviceId(crypto, made).toHex()).toBe(id)
    }
    const [root, tablet] = ids.devices.map(({ keys }) => ({ signing: hex(keys.signing), sealing: hex(keys.sealing) }))
    expect(root && userId(crypto, root).toHex()).toBe(ids.user)
    for (const { text, bytes } of ids.ulids) expect(ulidText(hex(bytes))).toBe(text)
    const reader = readFrames(crypto, 'KEYS')
    const bytes = ids.frames.map((frame) => reader.take(frame)).at(-1)
    expect(bytes && parseDeviceKeys(bytes)).toEqual(tablet)
  })

  test('walks the directory', () => {
    const { statements, now } = directory
    const walked = walkDirectory(crypto, { user: parseUserId(hex(ids.user)), statements: statements.map(hex), now })
    expect(walked.ignored).toEqual([])
    expect(walked.hashes.map((hash) => hash.toHex())).toEqual(directory.hashes)
    const told = [...walked.devices.values()].map(({ id, label, status, role }) => ({
      id: id.toHex(),
      label,
      status,
      role,
    }))
    expect(told).toEqual(directory.devices)
    expect(encodeHeads(decodeHeads(hex(directory.heads))).toHex()).toBe(directory.heads)
    expect(hashHeads(crypto, hex(directory.heads)).toHex()).toBe(directory.headsHash)
  })

  test('verifies the version and the command to forget it', () => {
    const signingKey = hex(ids.devices[0]?.keys.signing ?? '')
    const { header, signature } = entries.version
    const version = decodeVersion(crypto, { header: hex(header), signature: hex(signature) })
    expect(version.hash.toHex()).toBe(entries.version.contentHash)
    expect(signedMessage(version.header, version.hash).toHex()).toBe(entries.version.signedMessage)
    expect(verifyVersion(crypto, version, signingKey)).toBe(true)
    expect(version.header.recipients).toEqual(
      hashRecipients(
        crypto,
        entries.recipients.map((id) => parseDeviceId(hex(id))),
      ),
    )
    expect(verifyPrune(crypto, decodePrune(hex(entries.prune)), signingKey)).toBe(true)
  })

  test('opens the channel, the share and what is sealed, and makes the same bytes', () => {
    const tablet = opener(hex(ids.devices[1]?.seeds.sealing ?? ''))
    const { sharer, recipient, epoch, ciphertext, key } = entries.channel
    const pair = { sharer: parseDeviceId(hex(sharer)), recipient: parseDeviceId(hex(recipient)), epoch }
    const channel = enterChannel(crypto, { ...pair, ciphertext: hex(ciphertext) }, tablet)
    expect(channel.key.toHex()).toBe(key)
    const { header, signature } = entries.version
    const version = decodeVersion(crypto, { header: hex(header), signature: hex(signature) })
    const share = { ...pair, sealed: hex(entries.share) }
    const keys = { outline: hex(entries.keys.outline), content: hex(entries.keys.content) }
    expect(sealShare(crypto, channel, version, keys).sealed.toHex()).toBe(entries.share)
    for (const part of ['outline', 'content'] as const) {
      const opened = openShare(crypto, channel, version, { part, share })
      expect(opened.toHex()).toBe(entries.keys[part])
      const place = { ...version.header, part }
      expect(openPart(crypto, place, opened, hex(entries.sealed[part])).toHex()).toBe(entries.plain[part])
      expect(sealPart(crypto, place, opened, hex(entries.plain[part])).toHex()).toBe(entries.sealed[part])
    }
  })

  test('opens the recovery file', { timeout: 60_000 }, async () => {
    const options = { crypto, hashPassphrase, passphrase: recovery.passphrase }
    const { header, seeds } = await openRecovery(hex(recovery.file), options)
    expect([seeds.signing.toHex(), seeds.sealing.toHex()]).toEqual([recovery.seeds.signing, recovery.seeds.sealing])
    expect({ ...header, account: header.account.toHex(), device: header.device.toHex() }).toEqual(recovery.header)
  })
})
