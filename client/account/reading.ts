/** Reading entries: fetched, judged, opened; what was written in between is followed, so that nothing is skipped. */
import type { ListedEntries, ListedEntry, OpenedVersion } from '#client/entries/reading.ts'
import { type EntryPage, type PlacedVersion, servedEntry } from '#client/owner-entries.ts'
import { type EntryId, parseEntryId, type UserId } from '#host/entries/ids.ts'
import type { ServedEntry } from '#host/entries/model.ts'
import { Refusal } from '#host/errors.ts'

import { type AccountState, trusted } from './state.ts'

/** What a list shows, and what is wrong with what it does not show. */
export interface EntryList {
  /** What is not deleted, in the order of the ids. */
  readonly entries: readonly ListedEntry[]
  readonly findings: ListedEntries['findings']
}

export interface AccountReading {
  /** The current version. */
  get(entry: EntryId): Promise<OpenedVersion>
  /** An older one, with its content. @throws Refusal `command-invalid` when it is not kept */
  version(entry: EntryId, seq: number): Promise<OpenedVersion>
  /** All versions that are kept, without content. */
  history(entry: EntryId): Promise<readonly OpenedVersion[]>
  /** From outlines alone: no content is opened, nor asked for. */
  list(): Promise<EntryList>
  /** Entries whose title, kind and addresses have all of the words in them, in any case. */
  search(words: string, options?: { readonly kind?: string }): Promise<EntryList>
}

export function accountReading(state: AccountState): AccountReading {
  const reading: AccountReading = {
    get: (entry) => current(state, entry),
    async version(entry, seq) {
      const later = await pages(state, entry, seq - 1)
      const [asked] = (await state.entries.get(entry, seq)).versions
      const [first, ...rest] = later.versions
      if (asked === undefined || first === undefined || asked.seq !== seq || first.seq !== seq) throw notKept(seq)
      const [opened] = judge(state, state.book.user, servedEntry(entry, { ...later, versions: [asked, ...rest] }))
      return opened ?? notThere()
    },
    history: async (entry) => judge(state, state.book.user, servedEntry(entry, await pages(state, entry, 0))),
    list: () => list(state),
    async search(words, { kind } = {}) {
      const { entries, findings } = await list(state)
      return { entries: entries.filter((one) => matches(one, words, kind)), findings }
    },
  }
  return reading
}

/** The current version of an entry. @throws Refusal `entry-distrusted` */
export async function current(state: AccountState, entry: EntryId): Promise<OpenedVersion> {
  for (;;) {
    const page = await state.entries.get(entry)
    const opened = await take(state, entry, page)
    if (opened !== undefined) return opened
  }
}

/** Takes what is served as current; undefined when versions were between, which are read now: ask again. */
async function take(state: AccountState, entry: EntryId, page: EntryPage): Promise<OpenedVersion | undefined> {
  const known = knownSeq(state, entry)
  const [first] = page.versions
  if (known !== undefined && first !== undefined && first.seq > known + 1) {
    await follow(state, entry, known)
    return undefined
  }
  return judge(state, state.book.user, servedEntry(entry, page)).at(-1) ?? notThere()
}

/** Reads what was written after a version. */
async function follow(state: AccountState, entry: EntryId, after: number): Promise<void> {
  judge(state, state.book.user, servedEntry(entry, await pages(state, entry, after)))
}

/** The history after a version, in one piece. */
async function pages(state: AccountState, entry: EntryId, after: number): Promise<EntryPage> {
  const versions: PlacedVersion[] = []
  for (let from = after; ;) {
    const page = await state.entries.history(entry, from)
    versions.push(...page.versions)
    if (page.next === null || page.next <= from) return { ...page, versions }
    from = page.next
  }
}

/** An entry's history, as it is served. */
export async function wholeOf(state: AccountState, entry: EntryId): Promise<ServedEntry> {
  return servedEntry(entry, await pages(state, entry, 0))
}

/** Every current version, deleted ones included: after it the book knows where all of them are. */
export async function everything(state: AccountState): Promise<ListedEntries> {
  const served: ServedEntry[] = []
  for (let after: Uint8Array | undefined; ;) {
    const { versions, next } = await state.entries.list(after)
    served.push(...versions.map((version) => aloneOf(version)))
    if (next === null || versions.length === 0) break
    after = next
  }
  const listed = state.book.list(state.book.user, served, { complete: true })
  for (const entry of listed.unlinked) await follow(state, entry, knownSeq(state, entry) ?? 0)
  return listed
}

async function list(state: AccountState): Promise<EntryList> {
  const { entries, findings } = await everything(state)
  return { entries: entries.filter(({ version }) => version.header.operation !== 'delete'), findings }
}

/** One version of a page, as what is served of its entry. */
export function aloneOf(version: PlacedVersion): ServedEntry {
  return { entry: parseEntryId(version.entry), versions: [version], prune: null }
}

/** Versions of a user's entry, judged. @throws Refusal `entry-distrusted` */
export function judge(state: AccountState, owner: UserId, served: ServedEntry): readonly OpenedVersion[] {
  const { versions, findings } = state.book.read(owner, served)
  trusted(findings)
  return versions
}

/** How far this device saw an entry. */
export function knownSeq({ book }: AccountState, entry: EntryId): number | undefined {
  return book.seen(entry)?.seq
}

function matches({ outline }: ListedEntry, words: string, kind: string | undefined): boolean {
  if (outline === null || (kind !== undefined && outline.kind !== kind)) return false
  const text = [outline.title, outline.kind, ...outline.urls].join(' ').normalize('NFC').toLowerCase()
  return words
    .normalize('NFC')
    .toLowerCase()
    .split(/\s+/u)
    .every((word) => text.includes(word))
}

function notKept(seq: number): Refusal {
  return new Refusal('command-invalid', `version ${seq} is not kept: look at its history`)
}

function notThere(): never {
  throw new Refusal('command-invalid', 'no such version: look at its history')
}
