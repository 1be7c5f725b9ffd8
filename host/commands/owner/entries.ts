/** `trellis owner add`, `show`, `list`, `search`, `edit`, `history`, `restore`, `delete`, and what is shared. */
import type { EntryList } from '#client/account/reading.ts'
import type { Written } from '#client/account/writing.ts'
import type { OpenedVersion } from '#client/entries/reading.ts'
import type { Draft } from '#client/entries/writing.ts'
import { type EntryId, parseEntryId, parseUserId, type UserId } from '#host/entries/ids.ts'
import { parseUlid, ulidText } from '#host/entries/ulid.ts'
import { Refusal } from '#host/errors.ts'
import { check, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { table } from '../table.ts'
import { parseHex32, type Typed } from './account.ts'
import { withAccount } from './reach.ts'
import type { Screen } from './screen.ts'

/** What is said of an entry; what is not said stays. */
export interface Said {
  readonly title?: string
  readonly kind?: string
  readonly url?: readonly string[]
  readonly content?: Uint8Array
  readonly handlers?: boolean
}

interface Json {
  readonly json?: boolean
}

const DEFAULT_KIND = 'note'
const ULID_CHARS = 26
/** Addresses and numbers are for terminals with room. */
const WIDE_COLUMNS = 100
const lineSchema = z.strictObject({
  title: z.string(),
  kind: z.string(),
  urls: z.array(z.string()),
  content: z.string(),
})

export function add(
  { device, title, kind, url, content, handlers, ...typed }: Typed & Said & { readonly title: string },
  screen: Screen,
): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    const entry = await account.create({
      outline: { title, kind: kind ?? DEFAULT_KIND, urls: url ?? [] },
      content: content ?? new Uint8Array(),
      audience: { handlers: handlers === true, users: [] },
    })
    screen.print(ulidText(entry))
  })
}

export function show(
  name: string,
  { device, version, json, ...typed }: Typed & Json & { readonly version?: number },
  screen: Screen,
): Promise<void> {
  const entry = entryOf(name)
  return withAccount(device, typed, async ({ account }) => {
    const opened = version === undefined ? await account.get(entry) : await account.version(entry, version)
    tell(opened, json === true, screen)
  })
}

export function list(
  { device, words, kind, json, ...typed }: Typed & Json & { readonly words?: string; readonly kind?: string },
  screen: Screen,
): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    const isAll = words === undefined && kind === undefined
    const found = isAll ? await account.list() : await account.search(words ?? '', kind === undefined ? {} : { kind })
    tellList(found, json === true, screen)
  })
}

/** With `from` it is taken only after that version; else it is written after whichever is current. */
export function edit(
  name: string,
  { device, from, title, kind, url, content, handlers, ...typed }: Typed & Said & { readonly from?: number },
  screen: Screen,
): Promise<void> {
  const entry = entryOf(name)
  const said = { title, kind, url, content, handlers }
  return withAccount(device, typed, async ({ account }) => {
    if (from === undefined) {
      screen.print(`version ${await account.change(entry, (current) => edited(current, said))}`)
      return
    }
    const current = await account.get(entry)
    const { seq } = current.version.header
    if (seq !== from) throw overtaken(seq)
    tellWritten(await account.update(current, edited(current, said)), screen)
  })
}

export function history(name: string, { device, json, ...typed }: Typed & Json, screen: Screen): Promise<void> {
  const entry = entryOf(name)
  return withAccount(device, typed, async ({ account }) => {
    const rows = (await account.history(entry)).map(({ version: { header }, outline }) => ({
      version: header.seq,
      operation: header.operation,
      by: account.directory().devices.get(header.by.toHex())?.label ?? header.by.toHex(),
      at: new Date(header.at).toISOString(),
      title: outline?.title ?? null,
    }))
    if (json === true) return rows.forEach((row) => screen.print(JSON.stringify(row)))
    const lines = rows.map(({ version, operation, by, at, title }) => [
      `${version}`,
      operation,
      by,
      minute(at),
      title ?? '',
    ])
    screen.print(table([['version', 'what', 'by', 'at', 'title'], ...lines], screen.columns))
  })
}

export function restore(name: string, version: number, { device, ...typed }: Typed, screen: Screen): Promise<void> {
  const entry = entryOf(name)
  return withAccount(device, typed, async ({ account }) => {
    const current = await account.get(entry)
    tellWritten(await account.restore(current, await account.version(entry, version)), screen)
  })
}

export function remove(name: string, { device, ...typed }: Typed, screen: Screen): Promise<void> {
  const entry = entryOf(name)
  return withAccount(device, typed, async ({ account }) =>
    tellWritten(await account.remove(await account.get(entry)), screen),
  )
}

export function prune(name: string, before: number, { device, ...typed }: Typed, screen: Screen): Promise<void> {
  const entry = entryOf(name)
  return withAccount(device, typed, async ({ account }) => {
    const kept = (await account.history(entry)).find(({ version }) => version.header.seq === before)
    if (kept === undefined) throw new Refusal('command-invalid', `version ${before} is not kept: look at its history`)
    screen.print(`versions from ${await account.prune(entry, kept)} on are kept`)
  })
}

export function meet(connection: string, { device, ...typed }: Typed, screen: Screen): Promise<void> {
  return withAccount(device, typed, async ({ account }) =>
    screen.print(`user  ${(await account.meet(connection)).toHex()}`),
  )
}

/** @throws Refusal `command-invalid` when another user than the named one is behind the connection */
export function share(
  name: string,
  { device, with: user, over, ...typed }: Typed & { readonly with: string; readonly over?: string },
  screen: Screen,
): Promise<void> {
  const entry = entryOf(name)
  const whom = userOf(user)
  return withAccount(device, typed, async ({ account }) => {
    if (over !== undefined && !equalBytes(await account.meet(over), whom)) {
      throw new Refusal(
        'command-invalid',
        `--over ${over}: another user than ${user} is behind it: ask them for their id`,
      )
    }
    tellWritten(await account.share(await account.get(entry), whom), screen)
  })
}

export function unshare(
  name: string,
  { device, with: user, ...typed }: Typed & { readonly with: string },
  screen: Screen,
): Promise<void> {
  const entry = entryOf(name)
  const whom = userOf(user)
  return withAccount(device, typed, async ({ account }) => {
    const written = await account.unshare(await account.get(entry), whom)
    tellWritten(written, screen)
    screen.print('What cannot be taken back:')
    for (const line of written.remains) screen.print(`  ${line}`)
  })
}

/** What the user behind a connection shares; with an entry, what is in it. */
export function shared(
  connection: string,
  name: string | undefined,
  { device, json, ...typed }: Typed & Json,
  screen: Screen,
): Promise<void> {
  const entry = name === undefined ? undefined : entryOf(name)
  return withAccount(device, typed, async ({ account }) => {
    if (entry === undefined) tellList(await account.sharedBy(connection), json === true, screen)
    else tell(await account.readShared(connection, entry), json === true, screen)
  })
}

/** Each line of a backup that was opened, as an entry. */
export function importLines(lines: Iterable<string>, { device, ...typed }: Typed, screen: Screen): Promise<void> {
  const drafts = [...lines].filter((line) => line.trim() !== '').map(draftOfLine)
  return withAccount(device, typed, async ({ account }) => {
    const progress = screen.progress('written')
    for (const [index, draft] of drafts.entries()) {
      progress(index, drafts.length)
      await account.create(draft)
    }
    progress(drafts.length, drafts.length)
    screen.print(`${drafts.length} entries`)
  })
}

/** One entry as a line of JSON, content in base 64. */
export function lineOf(outline: Draft['outline'], content: Uint8Array): string {
  return JSON.stringify({ ...outline, content: content.toBase64() })
}

function draftOfLine(line: string): Draft {
  const { title, kind, urls, content } = parseLine(line)
  return { outline: { title, kind, urls }, content, audience: { handlers: false, users: [] } }
}

/** @throws Refusal `malformed` */
function parseLine(line: string): Draft['outline'] & { readonly content: Uint8Array } {
  try {
    const { content, ...outline } = check(lineSchema, JSON.parse(line), 'malformed', 'a line of the backup')
    return { ...outline, content: Uint8Array.fromBase64(content) }
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    throw new Refusal('malformed', 'a line of the backup: not as owner backup-open writes them', { cause })
  }
}

function edited(current: OpenedVersion, said: { readonly [Name in keyof Said]: Said[Name] | undefined }): Draft {
  const { outline, version } = current
  const content = said.content ?? current.content()
  if (outline === null || content === null) {
    throw new Refusal('command-invalid', 'entry: deleted, or not shared with this device yet: restore it, or backfill')
  }
  const { handlers, users } = version.header.audience
  return {
    outline: { title: said.title ?? outline.title, kind: said.kind ?? outline.kind, urls: said.url ?? outline.urls },
    content,
    audience: { handlers: said.handlers ?? handlers, users },
  }
}

function tell(opened: OpenedVersion, isJson: boolean, screen: Screen): void {
  const { outline, version } = opened
  const content = opened.content()
  const { entry, seq, operation, at, audience } = version.header
  if (isJson) {
    const users = audience.users.map((user) => user.toHex())
    const what = { entry: ulidText(entry), version: seq, operation, at, handlers: audience.handlers, users }
    screen.print(JSON.stringify({ ...what, ...outline, content: content && content.toBase64() }))
    return
  }
  if (operation === 'delete') return screen.print(`deleted in version ${seq}`)
  if (outline === null || content === null) return screen.print(`version ${seq} is not shared with this device yet`)
  screen.print(`title    ${outline.title}`)
  screen.print(`kind     ${outline.kind}`)
  for (const url of outline.urls) screen.print(`url      ${url}`)
  screen.print(`version  ${seq}`)
  screen.print('')
  screen.print(textOf(content))
}

/** Text where it is text that a terminal may show; base 64 otherwise. */
function textOf(content: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content)
    return /[^\P{Cc}\t\n]/u.test(text) ? content.toBase64() : text
  } catch {
    return content.toBase64()
  }
}

function tellList({ entries, findings }: EntryList, isJson: boolean, screen: Screen): void {
  const rows = entries.map(({ entry, version: { header }, outline }) => ({
    entry: ulidText(entry),
    version: header.seq,
    kind: outline?.kind ?? null,
    title: outline?.title ?? null,
    urls: outline?.urls ?? [],
    at: new Date(header.at).toISOString(),
  }))
  if (isJson) for (const row of rows) screen.print(JSON.stringify(row))
  else if (rows.length === 0) screen.print('no entries')
  else {
    const isWide = screen.columns >= WIDE_COLUMNS
    const lines = rows.map(({ version, kind, title, urls, at }) => [
      kind ?? '',
      title ?? '(not shared with this device yet)',
      ...(isWide ? [urls.join(' '), `${version}`] : []),
      minute(at),
    ])
    const names = ['kind', 'title', ...(isWide ? ['urls', 'version'] : []), 'at']
    const facts = table([names, ...lines], screen.columns - ULID_CHARS - 2)
    // Ids are typed into other commands: they stay whole.
    const ids = ['entry', ...rows.map(({ entry }) => entry)]
    for (const [index, line] of facts.split('\n').entries()) {
      screen.print(`${(ids[index] ?? '').padEnd(ULID_CHARS)}  ${line}`)
    }
  }
  screen.wrong(findings)
}

function minute(at: string): string {
  return at.slice(0, 16).replace('T', ' ')
}

/** @throws Refusal `conflict` naming the version that is current */
function tellWritten(written: Written, screen: Screen): void {
  if (written.kind === 'conflict') throw overtaken(written.current.version.header.seq)
  screen.print(`version ${written.seq}`)
}

function overtaken(seq: number): Refusal {
  return new Refusal('conflict', `another device was first: version ${seq} is current: look at it, and try again`)
}

function entryOf(name: string): EntryId {
  return parseEntryId(parseUlid(name))
}

function userOf(text: string): UserId {
  return parseUserId(Uint8Array.fromHex(parseHex32('--with', text)))
}
