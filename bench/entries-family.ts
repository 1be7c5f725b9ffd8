/** A user with devices, and what they wrote as a host would serve it: nothing here is measured. */
import { type Book, openBook } from '#client/entries/book.ts'
import { foundUser } from '#client/entries/directories.ts'
import { surroundings } from '#host/commands/surroundings.ts'
import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import type { DeviceKeys, ServedEntry, VersionWrite } from '#host/entries/model.ts'
import { decodeVersion } from '#host/entries/version.ts'

export const CONTENT_BYTES = 1_024
const { random, now } = surroundings

export interface Family {
  readonly book: Book
  /** What its host has of the directory. */
  readonly statements: readonly Uint8Array[]
  /** The same device with nothing remembered, or with what a book remembered. */
  again(memory?: Uint8Array): Book
}

export function secretsOf(signing: SigningKey = generateSigningKey()) {
  const kem = generateKemKey()
  const keys: DeviceKeys = { signing: signing.publicKey, sealing: kem.publicKey }
  return { signer: signing, opener: kem, keys }
}

/** A first device and `others` that it vouches for. */
export function newFamily(others: number): Family {
  const secrets = secretsOf()
  const { user, statement } = foundUser({ ...secrets, crypto, now }, 'first')
  const statements = [statement]
  const again = (memory?: Uint8Array): Book => {
    const book = openBook({ ...secrets, crypto, user, now, random, ...(memory && { memory }) })
    book.learn(user, { statements, heads: [] })
    return book
  }
  const book = again()
  for (let at = 0; at < others; at++) {
    statements.push(book.attach({ keys: secretsOf().keys, label: `device ${at}`, role: 'device', expires: null }))
    book.learn(user, { statements, heads: [] })
  }
  return { book, statements, again }
}

export function draftOf(title: string, handlers = false) {
  const outline = { title, kind: handlers ? 'profile-field' : 'login', urls: ['https://login.example'] }
  return {
    outline,
    content: handlers ? new Uint8Array(CONTENT_BYTES).fill(97) : random(CONTENT_BYTES),
    audience: { handlers, users: [] },
  }
}

/** New entries, each taken by a host that is not there. */
export function writeEntries(book: Book, count: number): VersionWrite[] {
  return Array.from({ length: count }, (_, at) => {
    const write = book.create(draftOf(`entry ${at}`))
    book.confirm({ ...write, channels: [] })
    return write
  })
}

/** The versions of one entry as a host serves them to the device that wrote them. */
export function serve(book: Book, writes: readonly VersionWrite[], { content }: { content: boolean }): ServedEntry {
  const [first] = writes
  if (!first) throw new Error('an entry has a version')
  const versions = writes.map((write) => {
    const share = write.shares.find(({ recipient }) => recipient.toHex() === book.device.toHex()) ?? null
    const channel = write.channels.find(({ recipient }) => recipient.toHex() === book.device.toHex()) ?? null
    return {
      ...write,
      content: content ? write.content : null,
      recipients: write.shares.map((one) => one.recipient),
      share,
      channel,
    }
  })
  return { entry: decodeVersion(crypto, first).header.entry, versions, prune: null }
}
