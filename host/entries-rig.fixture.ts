/** Devices of one user at work on their vault's entries: a paired device, its book, and what the two do together. */
import { type Book, openBook } from '#client/entries/book.ts'
import { foundUser } from '#client/entries/directories.ts'
import type { OpenedVersion } from '#client/entries/reading.ts'
import type { Draft } from '#client/entries/writing.ts'
import type { OwnerDevice } from '#client/owner.ts'
import { servedEntry, type WriteOutcome } from '#client/owner-entries.ts'
import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { OpeningKey, Seeded, SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import type { EntryId, UserId } from '#host/entries/ids.ts'
import { parseEntryId } from '#host/entries/ids.ts'
import type { DeviceKeys, VersionWrite } from '#host/entries/model.ts'
import { decodeStatement } from '#host/entries/statement.ts'
import { decodeVersion } from '#host/entries/version.ts'
import { random, type World } from './world.fixture.ts'

export interface Rig {
  readonly owner: OwnerDevice
  readonly book: Book
  readonly keys: DeviceKeys
  readonly signing: SigningKey & Seeded
  readonly kem: OpeningKey & Seeded
  /** Learns the directory as the vault has it. */
  learn(): Promise<void>
  /** The current version, judged and opened. */
  read(entry: EntryId): Promise<OpenedVersion>
  /** Writes an entry and gives its id. */
  create(title: string, draft?: Partial<Draft>): Promise<EntryId>
  /** Reads the current version and writes one after it. */
  update(entry: EntryId, text: string, draft?: Partial<Draft>): Promise<WriteOutcome>
  /** Sends a write; one that is taken is remembered. */
  send(command: 'create' | 'update' | 'restore' | 'deleteEntry' | 'share', write: VersionWrite): Promise<WriteOutcome>
}

const utf8 = new TextEncoder()
export const textOf = (content: Uint8Array | null): string | null => content && new TextDecoder().decode(content)

export function draft(title: string, text = `what ${title} holds`, more: Partial<Draft> = {}): Draft {
  const outline = { title, kind: 'note', urls: [] }
  return { outline, content: utf8.encode(text), audience: { handlers: false, users: [] }, ...more }
}

/** What a new device shows: its keys, made on it. */
export function freshKeys(): { signing: SigningKey & Seeded; kem: OpeningKey & Seeded; keys: DeviceKeys } {
  const [signing, kem] = [generateSigningKey(), generateKemKey()]
  return { signing, kem, keys: { signing: signing.publicKey, sealing: kem.publicKey } }
}

/** The world's phone signs up. */
export async function signUp(world: World): Promise<Rig> {
  const [signing, kem] = [world.signing('phone'), generateKemKey()]
  const secrets = { signer: signing, opener: kem }
  const { user, statement } = foundUser({ ...secrets, crypto: nativeCrypto, now: world.now }, 'phone')
  await world.alice.entries.signUp(statement)
  const rig = rigOf(world, { owner: world.alice, user, signing, kem })
  await rig.learn()
  return rig
}

/** A new device: vouched for by `by`, paired, and with the directory learnt. */
export async function attach(world: World, by: Rig, label: string): Promise<Rig> {
  const { signing, kem, keys } = freshKeys()
  await by.learn()
  await by.owner.entries.attach(by.book.attach({ keys, label, role: 'device', expires: null }))
  await by.learn()
  const device = by.book
    .directory()
    .devices.values()
    .find((one) => one.label === label)
  if (!device) throw new Error(`${label} is not in the directory`)
  const owner = await world.enrol(device.id.toHex(), signing)
  const rig = rigOf(world, { owner, user: by.book.user, signing, kem })
  await rig.learn()
  return rig
}

/** The vault's own device, as its owner's first device vouches for it once it checked the evidence. */
export async function attachVault(by: Rig): Promise<void> {
  const { vault: keys } = await by.owner.entries.directory()
  await by.owner.entries.attach(by.book.attach({ keys, label: 'the vault', role: 'vault', expires: null }))
  await by.learn()
}

interface RigParts {
  readonly owner: OwnerDevice
  readonly user: UserId
  readonly signing: SigningKey & Seeded
  readonly kem: OpeningKey & Seeded
}

function rigOf({ now }: World, { owner, user, signing, kem }: RigParts): Rig {
  const secrets = { signer: signing, opener: kem }
  const book = openBook({ ...secrets, crypto: nativeCrypto, user, now, random })
  const { entries } = owner
  const rig: Rig = {
    owner,
    book,
    signing,
    kem,
    keys: { signing: signing.publicKey, sealing: kem.publicKey },
    async learn() {
      const statements: Uint8Array[] = []
      for (let after: number | null = -1; after !== null;) {
        const page = await entries.directory(after)
        statements.push(...page.statements)
        after = page.next
      }
      const revocations = statements.flatMap((bytes, seq) =>
        decodeStatement(nativeCrypto, bytes).statement.body.kind === 'revoke' ? [seq] : [],
      )
      const heads = await Promise.all(revocations.map((seq) => entries.revocationHeads(seq)))
      const findings = book.learn(user, { statements, heads })
      if (findings.length > 0) throw new Error(`the directory: ${findings[0]?.message}`)
    },
    async read(entry) {
      const { versions, findings } = book.read(user, servedEntry(entry, await entries.get(entry)))
      const last = versions.at(-1)
      if (!last) throw new Error(`the entry: ${findings[0]?.message}`)
      return last
    },
    async create(title, more = {}) {
      const write = book.create(draft(title, undefined, more))
      const { conflict } = await rig.send('create', write)
      if (conflict) throw new Error('a new entry was there already')
      return entryOf(write)
    },
    async update(entry, text, more = {}) {
      const current = await rig.read(entry)
      const { audience } = current.version.header
      const next = { ...draft(current.outline?.title ?? 'untitled', text, { audience }), ...more }
      return rig.send('update', book.update(current, next))
    },
    async send(command, write) {
      const outcome = await entries[command](write)
      if (!outcome.conflict) book.confirm(write)
      return outcome
    },
  }
  return rig
}

export function entryOf(write: VersionWrite): EntryId {
  return parseEntryId(decodeVersion(nativeCrypto, write).header.entry)
}
