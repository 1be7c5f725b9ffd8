import { readFile, writeFile } from 'node:fs/promises'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { listConnections, sever } from './connections.ts'
import { add, edit, history, list, meet, prune, remove, restore, share, shared, show, unshare } from './entries.ts'
import { importLines, lineOf } from './entries.ts'
import { type Owners, page, startOwners } from './owner.fixture.ts'

const COMMAND_MS_MAX = 240_000
const utf8 = new TextEncoder()

let owners: Owners
let bob: { user: string }
let atAlice: string
let atBob: string

beforeAll(async () => {
  owners = await startOwners()
  await owners.signUp('alice', 'phone')
  bob = await owners.signUp('bob', 'bobs phone')
  ;[atAlice, atBob] = await owners.connect({ vault: 'alice', device: 'phone' }, { vault: 'bob', device: 'bobs phone' })
}, COMMAND_MS_MAX)
afterAll(() => owners[Symbol.asyncDispose]())

async function written(title: string, kind = 'note'): Promise<string> {
  const told = page()
  const content = utf8.encode(`what ${title} holds`)
  await add({ ...owners.at('phone'), title, kind, url: ['https://example.org/'], content }, told)
  return told.lines[0] ?? ''
}

async function shown(entry: string, version?: number): Promise<string> {
  const told = page()
  await show(entry, { ...owners.at('phone'), ...(version !== undefined && { version }) }, told)
  return told.lines.join('\n')
}

describe('entries', { timeout: COMMAND_MS_MAX }, () => {
  test('are written, listed, found and shown', async () => {
    const [router, card] = [await written('Router'), await written('Visa', 'card')]
    const [all, some, none, json] = [page(80), page(), page(), page()]
    await list(owners.at('phone'), all)
    expect(all.lines.slice(1).map((line) => line.slice(0, 26))).toEqual([router, card])
    for (const line of all.lines) expect(line.length).toBeLessThanOrEqual(80)
    await list({ ...owners.at('phone'), words: 'EXAMPLE rout' }, some)
    expect(some.lines).toHaveLength(2)
    await list({ ...owners.at('phone'), words: 'rout', kind: 'card' }, none)
    expect(none.lines).toEqual(['no entries'])
    await list({ ...owners.at('phone'), kind: 'card', json: true }, json)
    expect(json.lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([{ entry: card, title: 'Visa' }])
    expect(await shown(card)).toMatch(/^title {4}Visa\nkind {5}card\nurl {6}https:.*\nversion {2}1\n\nwhat Visa holds$/)
    const exact = page()
    await show(card, { ...owners.at('phone'), json: true }, exact)
    const said = JSON.parse(exact.lines[0] ?? '') as { content: string }
    expect(Buffer.from(said.content, 'base64').toString()).toBe('what Visa holds')
    expect(() => show('router', owners.at('phone'), page())).toThrow(/ulid/)
  })

  test('have versions: edited, looked back at, restored, deleted, pruned', async () => {
    const entry = await written('Diary')
    const told = page()
    await edit(entry, { ...owners.at('phone'), content: utf8.encode('second') }, told)
    await edit(entry, { ...owners.at('phone'), title: 'Journal', from: 2 }, told)
    await restore(entry, 1, owners.at('phone'), told)
    expect(told.lines).toEqual(['version 2', 'version 3', 'version 4'])
    expect(await shown(entry, 2)).toContain('second')
    expect(await shown(entry)).toContain('what Diary holds')
    const late = edit(entry, { ...owners.at('phone'), title: 'x', from: 3 }, page())
    await expect(late).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('version 4') })
    await prune(entry, 3, owners.at('phone'), told)
    expect(told.lines.at(-1)).toBe('versions from 3 on are kept')
    await remove(entry, owners.at('phone'), told)
    expect(await shown(entry)).toBe('deleted in version 5')
    const [lines, rows] = [page(80), page()]
    await history(entry, owners.at('phone'), lines)
    expect(lines.lines.map((line) => line.split(/ +/).slice(0, 3).join(' '))).toEqual([
      'version what by',
      '3 put phone',
      '4 restore phone',
      '5 delete phone',
    ])
    await history(entry, { ...owners.at('phone'), json: true }, rows)
    expect(rows.lines).toHaveLength(3)
    await expect(shown(entry, 1)).rejects.toThrow()
    await expect(prune(entry, 9, owners.at('phone'), page())).rejects.toMatchObject({ code: 'command-invalid' })
    await expect(edit(entry, { ...owners.at('phone'), title: 'x' }, page())).rejects.toThrow(/deleted/)
  })

  test('that hold no text are shown in base 64: no terminal is written to by them', async () => {
    const told = page()
    await add({ ...owners.at('phone'), title: 'bytes', content: utf8.encode('\u001b[2J') }, told)
    expect(await shown(told.lines[0] ?? '')).toContain(Buffer.from('\u001b[2J').toString('base64'))
  })

  test('are shared with another user by their id, and no more', async () => {
    const entry = await written('Lease')
    const [met, told, theirs] = [page(), page(), page()]
    await meet(atAlice, owners.at('phone'), met)
    expect(met.lines).toEqual([`user  ${bob.user}`])
    const other = share(entry, { ...owners.at('phone'), with: '0'.repeat(64), over: atAlice }, page())
    await expect(other).rejects.toMatchObject({ code: 'command-invalid' })
    expect(() => share(entry, { ...owners.at('phone'), with: 'Bob' }, page())).toThrow(/--with/)
    await share(entry, { ...owners.at('phone'), with: bob.user }, told)
    await shared(atBob, undefined, { ...owners.at('bobs phone'), json: true }, theirs)
    expect(theirs.lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([{ entry, title: 'Lease' }])
    await edit(entry, { ...owners.at('phone'), content: utf8.encode('12 months') }, told)
    await edit(entry, { ...owners.at('phone'), content: utf8.encode('24 months') }, told)
    const opened = page()
    await shared(atBob, entry, owners.at('bobs phone'), opened)
    expect(opened.lines.at(-1)).toBe('24 months')
    await unshare(entry, { ...owners.at('phone'), with: bob.user }, told)
    expect(told.lines.join('\n')).toMatch(/may have kept it/)
    await expect(shared(atBob, entry, owners.at('bobs phone'), page())).rejects.toThrow(/not-permitted/)
    await expect(unshare(entry, { ...owners.at('phone'), with: bob.user }, page())).rejects.toThrow(/not shared/)
  })

  test('are imported from lines, all or none of them', async () => {
    const line = lineOf({ title: 'kept', kind: 'note', urls: [] }, utf8.encode('safe'))
    await writeFile(owners.path('lines'), `${line}\n`)
    const [told, found] = [page(), page()]
    await importLines((await readFile(owners.path('lines'), 'utf8')).split('\n'), owners.at('phone'), told)
    expect(told.lines).toEqual(['1 entries'])
    await list({ ...owners.at('phone'), words: 'kept' }, found)
    expect(found.lines).toHaveLength(2)
    expect(() => importLines([line, '{}'], owners.at('phone'), page())).toThrow(/line of the backup/)
  })
  test('are shared over a connection until it is severed, which says what cannot be taken back', async () => {
    const listed = page()
    await listConnections({ ...owners.at('phone'), json: true }, listed)
    expect(JSON.parse(listed.lines[0] ?? '')).toMatchObject({
      connection: atAlice,
      status: 'active',
      users: [bob.user],
    })
    const told = page()
    await sever(atAlice, owners.at('phone'), told)
    expect(told.lines.join('\n')).toMatch(/What cannot be taken back:\n.*may have kept it/)
    await expect(sever('nobody', owners.at('phone'), page())).rejects.toMatchObject({ code: 'command-invalid' })
  })
})
