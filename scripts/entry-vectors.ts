/**
 * Vectors of entries, made from fixed seeds by the portable provider: `spec/vectors/entries/*.json`. Bytes are
 * hexadecimal. A test makes them again and has both providers read them.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { foundUser } from '#client/entries/directories.ts'
import { openBook } from '#client/entries/book.ts'
import { encodeKeyFrames } from '#client/entries/frames.ts'
import { sealRecovery } from '#client/entries/recovery.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { portableCrypto } from '#host/crypto/portable.ts'
import { deviceId, userId } from '#host/entries/device.ts'
import { walkDirectory } from '#host/entries/directory.ts'
import { encodeHeads, hashHeads } from '#host/entries/heads.ts'
import { parseEntryId, parseHash, parseVersionId, type UserId } from '#host/entries/ids.ts'
import type { DeviceKeys, SignedStatement, StatementBody, VersionHeader } from '#host/entries/model.ts'
import { signPrune } from '#host/entries/prune.ts'
import { encodeOutline, hashSealed, sealPart } from '#host/entries/sealed.ts'
import { openChannel, sealShare } from '#host/entries/share.ts'
import { signStatement } from '#host/entries/statement.ts'
import { parseUlid, ulidText } from '#host/entries/ulid.ts'
import { hashRecipients, signedMessage, signVersion } from '#host/entries/version.ts'

const AT = 1_800_000_000_000
const utf8 = new TextEncoder()

/** `count` bytes of a stream that its name gives: SHA-256 of the name and a counter, block after block. */
function stream(name: string, count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  for (let at = 0; at < count; at += 32) {
    const block = nativeCrypto.digest(utf8.encode(`entries/1 vector ${name} ${at / 32}`))
    bytes.set(block.subarray(0, Math.min(32, count - at)), at)
  }
  return bytes
}

function seededRandom(name: string): (count: number) => Uint8Array {
  let calls = 0
  return (count) => stream(`${name} ${calls++}`, count)
}

/** Its signatures are the same each time. */
const unhedged = portableCrypto((count) => new Uint8Array(count))
const crypto = portableCrypto(() => {
  throw new Error('vectors: only a named stream encapsulates')
})

function device(name: string) {
  const seeds = { signing: stream(`${name} signing`, 64), sealing: stream(`${name} sealing`, 32) }
  const signer = unhedged.signingKey(seeds.signing)
  const opener = unhedged.openingKey(seeds.sealing)
  const keys: DeviceKeys = { signing: signer.publicKey, sealing: opener.publicKey }
  return { name, seeds, signer, opener, keys, id: deviceId(crypto, keys) }
}

type Named = ReturnType<typeof device>

/** All of them, by the name of their file. */
export async function makeVectors(): Promise<Record<string, unknown>> {
  const [root, tablet, vault] = [device('root'), device('tablet'), device('vault')]
  const user = userId(crypto, root.keys)
  const kin = { root, tablet, vault }
  const directory = directoryVectors(user, kin)
  const entries = entryVectors(user, kin, directory.head)
  return {
    ids: {
      user: user.toHex(),
      devices: [root, tablet, vault].map(({ name, seeds, keys, id }) => ({ name, seeds, keys, id })),
      ulids: ['00000000000000000000000000', '01ARZ3NDEKTSV4RRFFQ69G5FAV', '7ZZZZZZZZZZZZZZZZZZZZZZZZZ'].map((text) => ({
        text,
        bytes: parseUlid(text),
      })),
      frames: encodeKeyFrames(crypto, tablet.keys),
    },
    directory: directory.vectors,
    entries,
    recovery: await recoveryVector(user, root),
    book: bookVectors(root),
  }
}

interface Kin {
  readonly root: Named
  readonly tablet: Named
  readonly vault: Named
}

function directoryVectors(user: UserId, { root, tablet, vault }: Kin) {
  const heads = encodeHeads([
    { entry: entryId('second'), seq: 1, hash: parseHash(stream('second', 32)) },
    { entry: entryId('first'), seq: 7, hash: parseHash(stream('first', 32)) },
  ])
  const bodies: [Named, StatementBody][] = [
    [root, { kind: 'root', label: 'phone', keys: root.keys }],
    [root, { kind: 'attest', label: 'tablet', keys: tablet.keys, role: 'device', expires: AT + 86_400_000 }],
    [root, { kind: 'attest', label: 'vault', keys: vault.keys, role: 'vault', expires: null }],
    [tablet, { kind: 'rename', device: tablet.id, label: 'the tablet' }],
    [root, { kind: 'backup', key: device('operator').keys.sealing }],
    [root, { kind: 'revoke', device: tablet.id, heads: hashHeads(crypto, heads), heir: null }],
  ]
  const signed: SignedStatement[] = []
  for (const [seq, [by, body]] of bodies.entries()) {
    const prev = signed.at(-1)?.hash ?? null
    signed.push(signStatement(crypto, { user, seq, prev, by: by.id, at: AT + seq, body }, by.signer))
  }
  const statements = signed.map(({ bytes }) => bytes)
  const walked = walkDirectory(crypto, { user, statements, now: AT + 10 })
  const devices = [...walked.devices.values()].map(({ id, label, status, role }) => ({ id, label, status, role }))
  const vectors = {
    user,
    statements,
    hashes: walked.hashes,
    now: AT + 10,
    devices,
    heads,
    headsHash: hashHeads(crypto, heads),
  }
  return { head: walked.head, vectors }
}

function entryVectors(user: UserId, { root, tablet }: Kin, directory: VersionHeader['directory']) {
  const place = { user, entry: entryId('entry'), version: parseVersionId(stream('version', 16)) }
  const keys = { outline: stream('outline key', 32), content: stream('content key', 32) }
  const outlineText = { title: 'Example', kind: 'login', urls: ['https://example.org/'] }
  const plain = { outline: encodeOutline(outlineText), content: utf8.encode('{"password":"not this one"}') }
  const sealed = {
    outline: sealPart(crypto, { ...place, part: 'outline' }, keys.outline, plain.outline),
    content: sealPart(crypto, { ...place, part: 'content' }, keys.content, plain.content),
  }
  const recipients = [root.id, tablet.id]
  const header: VersionHeader = {
    ...place,
    seq: 1,
    prev: null,
    operation: 'put',
    from: null,
    content: hashSealed(crypto, sealed.content),
    outline: hashSealed(crypto, sealed.outline),
    recipients: hashRecipients(crypto, recipients),
    audience: { handlers: false, users: [] },
    directory,
    at: AT,
    by: root.id,
  }
  const version = signVersion(crypto, header, root.signer)
  const encapsulating = portableCrypto(seededRandom('encapsulation'))
  const channel = openChannel(encapsulating, { sharer: root.id, recipient: tablet.id, epoch: 1 }, tablet.keys.sealing)
  const share = sealShare(crypto, channel, version, keys)
  const upTo = { seq: 1, hash: version.hash }
  const prune = signPrune({ user, entry: place.entry, upTo, directory, at: AT, by: root.id }, root.signer)
  return {
    entry: { bytes: place.entry, text: ulidText(place.entry) },
    keys,
    plain,
    sealed,
    recipients,
    version: {
      header: version.bytes,
      contentHash: version.hash,
      signedMessage: signedMessage(header, version.hash),
      signature: version.signature,
    },
    channel: { ...channel.channel, key: channel.key },
    share: share.sealed,
    prune: prune.bytes,
  }
}

async function recoveryVector(account: UserId, { id, seeds }: Named) {
  const passphrase = 'correct horse battery'
  const header = { account, device: id, server: 'https://vault.example', madeAt: AT }
  const salt = stream('salt', 16)
  const tools = { crypto, hashPassphrase: crypto.hashPassphrase }
  return { passphrase, header, seeds, file: await sealRecovery({ ...tools, header, seeds, passphrase, salt }) }
}

/** What a whole book sends. */
function bookVectors({ signer, opener }: Named) {
  const options = { crypto: portableCrypto(seededRandom('book encapsulation')), signer, opener, now: () => AT }
  const { user, statement } = foundUser(options, 'phone')
  const book = openBook({ ...options, user, random: seededRandom('book') })
  book.learn(user, { statements: [statement], heads: [] })
  const outline = { title: 'Note', kind: 'note', urls: [] }
  const content = utf8.encode('remember the milk')
  const write = book.create({ outline, content, audience: { handlers: false, users: [] } })
  return { user, statement, outline, content, write }
}

function entryId(name: string) {
  return parseEntryId(stream(`entry ${name}`, 16))
}

/** The text of a file. */
export function vectorText(vector: unknown): string {
  return `${JSON.stringify(vector, hexadecimal, 2)}\n`
}

function hexadecimal(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? value.toHex() : value
}

export const vectorFolder: string = fileURLToPath(new URL('../spec/vectors/entries/', import.meta.url))

if (import.meta.main) {
  mkdirSync(vectorFolder, { recursive: true })
  for (const [name, vector] of Object.entries(await makeVectors())) {
    writeFileSync(`${vectorFolder}${name}.json`, vectorText(vector))
  }
}
