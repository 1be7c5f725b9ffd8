/** A host in memory for tests: it stores what it is given and serves it, honestly. Tests twist what it serves. */
import { randomBytes } from 'node:crypto'

import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import type { DeviceId, EntryId, UserId } from '#host/entries/ids.ts'
import type { Audience, Channel, ServedEntry, ServedVersion, Share, VersionWrite } from '#host/entries/model.ts'
import { decodeVersion } from '#host/entries/version.ts'

import { type Backfill, type Book, openBook } from './book.ts'
import { foundUser, type ServedDirectory } from './directories.ts'
import type { Draft } from './writing.ts'

export const random = (count: number) => new Uint8Array(randomBytes(count))
const START = 1_800_000_000_000

let clock = START
export const now = () => (clock += 1_000)

export function newSecrets() {
  const signer = generateSigningKey()
  const opener = generateKemKey()
  return { signer, opener, keys: { signing: signer.publicKey, sealing: opener.publicKey } }
}

export type Secrets = ReturnType<typeof newSecrets>

interface StoredVersion extends Omit<ServedVersion, 'share' | 'channel'> {
  readonly shares: Share[]
}

export class MemoryHost {
  readonly statements: Uint8Array[] = []
  readonly heads: Uint8Array[] = []
  readonly entries = new Map<string, StoredVersion[]>()
  readonly channels: Channel[] = []
  readonly prunes = new Map<string, Uint8Array>()

  directory(): ServedDirectory {
    return { statements: this.statements.slice(), heads: this.heads.slice() }
  }

  take(write: VersionWrite): EntryId {
    const { entry } = decodeVersion(nativeCrypto, write).header
    const { header, signature, outline, content, shares } = write
    const recipients = shares.map(({ recipient }) => recipient)
    const versions = this.entries.get(entry.toHex()) ?? []
    versions.push({ header, signature, outline, content, recipients, shares: [...shares] })
    this.entries.set(entry.toHex(), versions)
    this.channels.push(...write.channels)
    return entry
  }

  fill(entry: EntryId, { channels, shares }: Backfill): void {
    this.channels.push(...channels)
    for (const { version, share } of shares) {
      const bytes = version.bytes.toHex()
      this.entries
        .get(entry.toHex())
        ?.find(({ header }) => header.toHex() === bytes)
        ?.shares.push(share)
    }
  }

  forget(entry: EntryId, prune: Uint8Array, count: number): void {
    this.entries.get(entry.toHex())?.splice(0, count)
    this.prunes.set(entry.toHex(), prune)
  }

  serve(entry: EntryId, device: DeviceId): ServedEntry {
    const versions = (this.entries.get(entry.toHex()) ?? []).map((version) => this.#versionFor(version, device))
    return { entry, versions, prune: this.prunes.get(entry.toHex()) ?? null }
  }

  /** The current version of each, without content. */
  list(ids: readonly EntryId[], device: DeviceId): ServedEntry[] {
    return ids.map((entry) => {
      const last = this.serve(entry, device).versions.at(-1) as ServedVersion
      return { entry, versions: [{ ...last, content: null }], prune: null }
    })
  }

  #versionFor({ shares, ...version }: StoredVersion, device: DeviceId): ServedVersion {
    const hex = device.toHex()
    const share = shares.find(({ recipient }) => recipient.toHex() === hex) ?? null
    const channel = this.channels.find(
      (one) =>
        share !== null &&
        one.epoch === share.epoch &&
        one.sharer.toHex() === share.sharer.toHex() &&
        one.recipient.toHex() === hex,
    )
    return { ...version, share, channel: channel ?? null }
  }
}

export interface Person {
  readonly host: MemoryHost
  readonly user: UserId
  readonly root: Book
  readonly secrets: Secrets
}

/** A user with one device, at a host of their own. */
export function newPerson(label = 'phone'): Person {
  const host = new MemoryHost()
  const secrets = newSecrets()
  const { user, statement } = foundUser({ crypto: nativeCrypto, now, ...secrets }, label)
  host.statements.push(statement)
  const root = bookOf(user, secrets)
  root.learn(user, host.directory())
  return { host, user, root, secrets }
}

export function bookOf(user: UserId, secrets: Secrets, memory?: Uint8Array): Book {
  const { signer, opener } = secrets
  return openBook({ crypto: nativeCrypto, user, signer, opener, now, random, ...(memory && { memory }) })
}

/** One more device, vouched for by `by`, which then knows the directory. */
export function attach(
  { host, user }: Person,
  by: Book,
  options: { readonly role?: 'device' | 'vault'; readonly label?: string; readonly expires?: number } = {},
): Book & { readonly secrets: Secrets } {
  const secrets = newSecrets()
  const { role = 'device', label = 'tablet', expires = null } = options
  host.statements.push(by.attach({ keys: secrets.keys, label, role, expires }))
  by.learn(user, host.directory())
  const book = bookOf(user, secrets)
  book.learn(user, host.directory())
  return Object.assign(book, { secrets })
}

export const alone: Audience = { handlers: false, users: [] }
const utf8 = new TextEncoder()

export function draft(title: string, audience = alone): Draft {
  const outline = { title, kind: 'note', urls: ['https://example.org/'] }
  return { outline, content: utf8.encode(`content of ${title}`), audience }
}

/** Sends a write and remembers that it was taken. */
export function send(host: MemoryHost, book: Book, write: VersionWrite): EntryId {
  const entry = host.take(write)
  book.confirm(write)
  return entry
}

/** The current version as a device reads it; findings fail the test. */
export function current({ host, user }: Person, book: Book, entry: EntryId) {
  const { versions, findings } = book.read(user, host.serve(entry, book.device))
  const last = versions.at(-1)
  if (last === undefined) throw new Error(`nothing to read: ${findings.map(({ code }) => code).join()}`)
  return last
}

export function textOf(bytes: Uint8Array | null): string | null {
  return bytes && new TextDecoder().decode(bytes)
}
