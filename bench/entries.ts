/** Entries: what a device's book costs, and what the vault's side does. Native provider on both. */
import type { EntryId } from '#host/entries/ids.ts'
import { parseEntryId } from '#host/entries/ids.ts'
import type { ServedEntry, VersionWrite } from '#host/entries/model.ts'
import { type Book, openBook } from '#client/entries/book.ts'
import { foundUser } from '#client/entries/directories.ts'
import { ALICE } from '#host/commands/demo/cast.ts'
import { surroundings } from '#host/commands/surroundings.ts'
import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import { deviceNamespaces } from '#host/storage/port.ts'
import { taken } from '#host/vault/account/apply.ts'
import { knownDirectory } from '#host/vault/account/directory.ts'
import { judgeVersion } from '#host/vault/account/judge.ts'
import { servedContent } from '#host/vault/account/own-content.ts'
import { namedEntry } from '#host/vault/account/own-index.ts'
import { forgetOwn } from '#host/vault/account/own.ts'
import { listFor } from '#host/vault/account/served.ts'
import type { Vault } from '#host/vault/vault.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { CONTENT_BYTES, draftOf, newFamily, secretsOf, serve, writeEntries } from './entries-family.ts'
import { measure, quantile } from './measure.ts'
import { judged, type Report } from './report.ts'
import { openScene, type Scene } from './scene.ts'

const OTHERS = 4
const OUTLINES = 5_000
const MS = 700
const TURNS = 9
const ATTACHED = { entries: 100, versions: 10, of: 1_000 }
const now = surroundings.now()

/** A device's own side: no host, no disk. */
export async function entriesDevice(): Promise<Report> {
  const family = newFamily(OTHERS)
  const { book } = family
  const { user } = book
  const all = writeEntries(book, OUTLINES)
  // A channel goes with the first share of it; a host serves it with each page.
  const channels = all[0]?.channels ?? []
  const writes = all.map((write) => Object.assign(write, { channels }))
  const listed = writes.map((write) => serve(book, [write], { content: false }))
  const [whole] = writes.map((write) => serve(book, [write], { content: true }))
  if (!whole) throw new Error('an entry is served')

  const fresh = family.again()
  const firstMs = listMs(() => fresh.list(user, listed, { complete: true }).entries.length)
  const again = Array.from({ length: TURNS }, () =>
    listMs(() => fresh.list(user, listed, { complete: true }).entries.length),
  )
  const memory = fresh.memory()
  const restarted = family.again(memory)
  const restartedMs = listMs(() => restarted.list(user, listed, { complete: true }).entries.length)
  const current = book.read(user, whole).versions[0]
  if (!current) throw new Error('an entry is read')

  const cold: number[] = []
  for (let turn = 0; turn < 60; turn++) {
    const reader = family.again()
    // The channel is entered once for all that is shared over it.
    reader.list(user, listed.slice(1, 2), { complete: false })
    const start = performance.now()
    open(reader, whole)
    cold.push(performance.now() - start)
  }
  const { update, read } = await measure({
    update: { run: () => Promise.resolve(book.update(current, draftOf('entry 0'))), ms: MS },
    read: { run: () => Promise.resolve(repeat(100, () => open(fresh, whole))), calls: 100, ms: MS },
  })
  const attach = attachMs()
  return {
    title: `   Entries, a device’s side: ${OTHERS + 1} devices, contents of ${CONTENT_BYTES} B, native provider`,
    lines: [
      judged('update: seal, share with 5, sign', { value: update.medianUs / 1_000, unit: 'ms', most: 3 }),
      judged(`list ${OUTLINES} outlines, drawn again`, { value: quantile(again, 0.5), unit: 'ms', most: 60 }),
      judged('  the first list of a device that remembers', { value: restartedMs, unit: 'ms' }),
      judged('  the first list of all: every signature', { value: firstMs, unit: 'ms' }),
      judged('verify and open one entry, cold', { value: quantile(cold, 0.5), unit: 'ms', most: 1 }),
      judged('  cached', { value: read.medianUs, unit: 'µs', most: 20 }),
      judged('attach: shares of 10,000 versions, verified first', { value: attach.cold / 1_000, unit: 's', most: 8 }),
      judged('  verified before', { value: attach.warm / 1_000, unit: 's' }),
    ],
    notes: [`attach: measured on ${ATTACHED.entries} entries of ${ATTACHED.versions} versions, times ten; not sent.`],
  }
}

function open(book: Book, served: ServedEntry): void {
  const content = book.read(book.user, served).versions[0]?.content()
  if (content?.length !== CONTENT_BYTES) throw new Error('an entry does not open')
}

function repeat(times: number, work: () => void): void {
  for (let at = 0; at < times; at++) work()
}

function listMs(list: () => number): number {
  const start = performance.now()
  if (list() !== OUTLINES) throw new Error('not all outlines are listed')
  return performance.now() - start
}

/** With every channel there is, as a host serves a page. */
function withChannels(
  write: VersionWrite,
  channels: ReadonlyMap<string, VersionWrite['channels'][number]>,
): VersionWrite {
  return { ...write, channels: [...channels.values()] }
}

/** Backfill for a device that came later, by a device that had or had not verified all of it. */
function attachMs(): { cold: number; warm: number } {
  const family = newFamily(OTHERS)
  const { book } = family
  const channels = new Map<string, VersionWrite['channels'][number]>()
  const histories = writeEntries(book, ATTACHED.entries).map((first) => {
    const writes = [first]
    for (const one of first.channels) channels.set(one.recipient.toHex(), one)
    while (writes.length < ATTACHED.versions) {
      const last = writes.at(-1)
      const current =
        last && book.read(book.user, serve(book, [withChannels(last, channels)], { content: true })).versions[0]
      if (!current) throw new Error('a version is read')
      const next = book.update(current, draftOf('entry'))
      book.confirm({ ...next, channels: [] })
      writes.push(next)
    }
    return serve(
      book,
      writes.map((write) => withChannels(write, channels)),
      { content: false },
    )
  })
  const { keys } = secretsOf()
  const statements = [...family.statements, book.attach({ keys, label: 'new', role: 'device', expires: null })]
  const reader = family.again()
  reader.learn(reader.user, { statements, heads: [] })
  const device = reader
    .directory()
    .devices.values()
    .find(({ label }) => label === 'new')?.id
  if (!device) throw new Error('the new device is in the directory')
  const times = [0, 1].map(() => {
    const start = performance.now()
    let shares = 0
    for (const served of histories) shares += reader.backfill(served, { owner: reader.user, device }).shares.length
    if (shares !== ATTACHED.entries * ATTACHED.versions) throw new Error('not all versions are shared')
    return ((performance.now() - start) * ATTACHED.of) / ATTACHED.entries
  })
  return { cold: times[0] ?? Number.NaN, warm: times[1] ?? Number.NaN }
}

/** The vault's side, in a whole host. */
export async function entriesHost(): Promise<Report> {
  await using scene = await openScene()
  const vault = await scene.host.vaults.find(ALICE.vault)
  if (!vault) throw new Error('the vault is there')
  const { book, entries } = await account(scene)
  const bench = await writesAtHost(vault, book)
  const handled = book.create(draftOf('email', true))
  await entries.create({ ...handled })
  book.confirm(handled)
  const key = namedEntry(vault, { kind: 'profile-field', name: 'email' }, now)
  if (!key) throw new Error('the vault reads the entry')
  const shop = await scene.connect('Acme Retail', ['data.request'])
  const asking = (name: string) => async () => {
    const { status } = await shop.ask('data.request', { fields: [name] })
    if (status !== 'replied') throw new Error(`a request was ${status}`)
  }
  const { cold, cached, plain, entry, judge } = await measure({
    judge: { run: () => Promise.resolve(bench.judge()), ms: MS },
    cold: {
      run() {
        forgetOwn(vault.account.own)
        vault.account.own.verified.clear()
        const found = namedEntry(vault, { kind: 'profile-field', name: 'email' }, now)
        if (!found || !servedContent(vault, found).content) throw new Error('the entry opens')
        return Promise.resolve()
      },
      ms: MS,
    },
    cached: {
      run: () =>
        Promise.resolve(
          repeat(100, () => {
            const found = namedEntry(vault, { kind: 'profile-field', name: 'email' }, now)
            if (!found || !servedContent(vault, found).content) throw new Error('the entry opens')
          }),
        ),
      calls: 100,
      ms: MS,
    },
    plain: { run: asking('shipping_address'), ms: 4 * MS },
    entry: { run: asking('email'), ms: 4 * MS },
  })
  const lists = await listAtHost(vault, book)
  return {
    title: `   Entries, the host’s side: ${OTHERS + 1} devices, contents of ${CONTENT_BYTES} B`,
    lines: [
      judged('update: judge it and make its changes', { value: judge.medianUs / 1_000, unit: 'ms', most: 0.6 }),
      judged('verify and open one entry, cold', { value: cold.medianUs / 1_000, unit: 'ms', most: 1 }),
      judged('  cached', { value: cached.medianUs, unit: 'µs', most: 20 }),
      judged(`list ${OUTLINES} outlines, pages as sent, CPU`, { value: lists, unit: 'ms', most: 60 }),
      judged('bytes at rest of a version beyond its content', { value: bench.bytes, unit: 'B', most: 5_632 }),
      judged('data.request: an entry, of a plain item', {
        value: entry.medianUs / plain.medianUs,
        unit: '×',
        most: 1.3,
      }),
      judged('  a plain item', { value: plain.medianUs / 1_000, unit: 'ms' }),
    ],
  }
}

/** The owner signs up, and vouches for the vault and four devices more. */
export async function account({ owner: { alice, signing } }: Scene) {
  const secrets = secretsOf(signing)
  const { entries } = alice
  const { user, statement } = foundUser({ ...secrets, crypto, now: surroundings.now }, 'first')
  await entries.signUp(statement)
  const book = openBook({ ...secrets, crypto, user, now: surroundings.now, random: surroundings.random })
  const learn = async () => {
    const { statements, vault } = await entries.directory()
    book.learn(user, { statements, heads: [] })
    return vault
  }
  const keys = await learn()
  await entries.attach(book.attach({ keys, label: 'vault', role: 'vault', expires: null }))
  for (let at = 0; at < OTHERS; at++) {
    await learn()
    await entries.attach(book.attach({ keys: secretsOf().keys, label: `device ${at}`, role: 'device', expires: null }))
  }
  await learn()
  return { book, entries, secrets }
}

/** What the host does for a version, and what it leaves. */
async function writesAtHost(vault: Vault, book: Book) {
  const first = book.create(draftOf('entry'))
  const before = bytesOf(vault)
  const channels = first.channels.reduce((sum, { ciphertext }) => sum + ciphertext.length + 140, 0)
  const judge = (write = first) => {
    const directory = knownDirectory(vault, now)
    const found = judgeVersion(vault, write, { directory, by: book.device, now: surroundings.now() })
    if ('overtaken' in found) throw new Error('a version was overtaken')
    return taken(vault, write, found)
  }
  await vault.store.commit([...judge().changes], { now })
  book.confirm(first)
  const bytes = bytesOf(vault) - before - channels - (first.content?.length ?? 0)
  const next = book.create(draftOf('another'))
  return { bytes, judge: () => judge(next) }
}

function bytesOf({ store }: Vault): number {
  return deviceNamespaces.reduce((sum, name) => sum + store.namespace(name).bytes, 0)
}

/** What the host does with writes of a device, one after the other. */
export async function plant(vault: Vault, book: Book, writes: readonly VersionWrite[]): Promise<void> {
  const directory = knownDirectory(vault, now)
  for (const write of writes) {
    const found = judgeVersion(vault, write, { directory, by: book.device, now: surroundings.now() })
    if ('overtaken' in found) throw new Error('a version was overtaken')
    await vault.store.commit([...taken(vault, write, found).changes], { now })
    book.confirm(write)
  }
}

/** Pages of a list, as they are answered. */
async function listAtHost(vault: Vault, book: Book): Promise<number> {
  await plant(vault, book, writeEntries(book, OUTLINES))
  const times = Array.from({ length: TURNS }, () => {
    const start = process.threadCpuUsage()
    let after: EntryId | undefined
    do {
      const page = listFor(vault, book.device, { after })
      encodeCbor({ ...page })
      after = page['next'] instanceof Uint8Array ? parseEntryId(page['next']) : undefined
    } while (after)
    const { user, system } = process.threadCpuUsage(start)
    return (user + system) / 1_000
  })
  return quantile(times, 0.5)
}
