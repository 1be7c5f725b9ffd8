/** Entries as a vault keeps them: what each command does, and what it refuses. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { servedEntry } from '#client/owner-entries.ts'
import type { EntryId } from '#host/entries/ids.ts'
import type { VersionWrite } from '#host/entries/model.ts'
import { attach, draft, entryOf, type Rig, signUp, textOf } from './entries-rig.fixture.ts'
import { startWorld, type World } from './world.fixture.ts'

let world: World
let phone: Rig

beforeEach(async () => {
  world = await startWorld({ handlers: [] })
  phone = await signUp(world)
})
afterEach(() => world[Symbol.asyncDispose]())

/** All versions, judged. */
async function history({ owner, book }: Rig, entry: EntryId) {
  const { versions, findings } = book.read(book.user, servedEntry(entry, await owner.entries.history(entry)))
  expect(findings).toEqual([])
  return versions
}

/** What is said of a write that is refused. */
function refused(write: Promise<unknown>, code: string) {
  return expect(write).rejects.toThrow(new RegExp(`was refused: ${code}`))
}

describe('an entry', () => {
  test('is created, read, updated and restored; each version is kept', async () => {
    const entry = await phone.create('Router')
    expect(textOf((await phone.read(entry)).content())).toBe('what Router holds')
    expect(await phone.update(entry, 'second')).toMatchObject({ conflict: null, seq: 2 })
    const [first, second] = await history(phone, entry)
    const served = servedEntry(entry, await phone.owner.entries.get(entry, 1))
    const known = await phone.read(entry)
    if (!first || !second) throw new Error('two versions')
    expect(served.versions[0]?.content).toBeInstanceOf(Uint8Array)
    // The older content comes with its own version; what is judged of it here is its place.
    const older = { ...first, content: () => new TextEncoder().encode('what Router holds') }
    expect(await phone.send('restore', phone.book.restore(known, older))).toMatchObject({ conflict: null, seq: 3 })
    expect(textOf((await phone.read(entry)).content())).toBe('what Router holds')
  })

  test('that is deleted stays as a tombstone, and is restored by a version after it', async () => {
    const entry = await phone.create('Router')
    await phone.send('deleteEntry', phone.book.remove(await phone.read(entry)))
    const tombstone = await phone.read(entry)
    expect(tombstone).toMatchObject({ outline: null, version: { header: { operation: 'delete' } } })
    await refused(phone.send('deleteEntry', phone.book.remove(tombstone)), 'entry-invalid')
    const again = phone.book.update(tombstone, draft('Router', 'again'))
    expect(await phone.send('update', again)).toMatchObject({ conflict: null, seq: 3 })
  })

  test('is listed by its outline, a page at a time', async () => {
    for (let count = 0; count < 3; count++) await phone.create(`note ${count}`)
    const { versions, next } = await phone.owner.entries.list()
    expect(next).toBeNull()
    expect(versions.map(({ content }) => content)).toEqual([null, null, null])
    const served = versions.map((version) => ({ entry: entryOf(written(version)), versions: [version], prune: null }))
    const { entries, findings } = phone.book.list(phone.book.user, served, { complete: true })
    expect(findings).toEqual([])
    expect(new Set(entries.map(({ outline }) => outline?.title))).toEqual(new Set(['note 0', 'note 1', 'note 2']))
    const rest = await phone.owner.entries.list(versions[1]?.entry)
    expect(rest.versions.map(({ entry }) => entry)).toEqual([versions[2]?.entry])
  })

  test('is pruned by a signed word; the rest of its chain is verified from there', async () => {
    const entry = await phone.create('Router')
    for (const text of ['two', 'three', 'four']) await phone.update(entry, text)
    const third = (await history(phone, entry))[2]
    if (!third) throw new Error('a third version')
    const prune = phone.book.prune(entry, third.version)
    expect(await phone.owner.entries.prune(prune)).toEqual({ seq: 4, first: 3 })
    expect((await history(phone, entry)).map(({ version }) => version.header.seq)).toEqual([3, 4])
    const { store } = await world.vault()
    expect(store.namespace('versions').scan({ prefix: '', limit: 99 }).items).toHaveLength(4)
    expect(store.namespace('shares').scan({ prefix: '', limit: 99 }).items).toHaveLength(2)
    await refused(phone.owner.entries.prune(prune), 'command-invalid')
    await refused(phone.owner.entries.get(entry, 1), 'command-invalid')
  })

  test('that is not there is refused like one that never was', async () => {
    const entry = await phone.create('Router')
    const absent = entry.map((byte) => byte ^ 1) as EntryId
    await refused(phone.owner.entries.get(absent), 'command-invalid')
    await refused(phone.owner.entries.history(absent), 'command-invalid')
    await refused(phone.owner.entries.get(entry, 9), 'command-invalid')
  })

  test('leaves a row for each command, with its id and never its title', async () => {
    const entry = await phone.create('Router')
    await phone.read(entry)
    const rows = (await world.rows()).filter(({ eventType }) => eventType?.startsWith('entry.'))
    expect(rows.map(({ eventType, result, fields }) => [eventType, result, fields[0]])).toEqual([
      ['entry.create', 'changed', entry.toHex()],
      ['entry.get', 'replied', entry.toHex()],
    ])
    expect(JSON.stringify(rows)).not.toContain('Router')
  })
})

describe('two devices', () => {
  test('that write one entry: the loser gets the version that is current, and merges', async () => {
    const tablet = await attach(world, phone, 'tablet')
    await phone.learn()
    const entry = await phone.create('Router')
    const [hers, other] = [await phone.read(entry), await tablet.read(entry)]
    await phone.send('update', phone.book.update(hers, draft('Router', 'from the phone')))
    const lost = await tablet.send('update', tablet.book.update(other, draft('Router', 'from the tablet')))
    if (!lost.conflict) throw new Error('the second one won')
    const { versions, findings } = tablet.book.read(tablet.book.user, servedEntry(entry, lost.conflict))
    expect(findings).toEqual([])
    const [current] = versions
    if (!current) throw new Error('a current version')
    expect(textOf(current.content())).toBe('from the phone')
    const merged = tablet.book.update(current, draft('Router', 'from both'))
    expect(await tablet.send('update', merged)).toMatchObject({ conflict: null, seq: 3 })
    expect(textOf((await phone.read(entry)).content())).toBe('from both')
    const row = (await world.rows()).find(({ reason }) => reason === 'conflict')
    expect(row).toMatchObject({ eventType: 'entry.update', result: 'refused', who: 'tablet' })
  })

  test('hear of each other’s versions', async () => {
    const tablet = await attach(world, phone, 'tablet')
    await phone.learn()
    const heard = Promise.withResolvers<string>()
    tablet.owner.conversation.on('entry.changed', ({ type }) => heard.resolve(type))
    phone.owner.conversation.on('entry.changed', () => heard.reject(new Error('told of its own')))
    await phone.create('Router')
    expect(await heard.promise).toBe('entry.changed')
  })
})

/** A version served, as something with an entry id. */
function written(version: Pick<VersionWrite, 'header' | 'signature'>): VersionWrite {
  return { ...version, outline: null, content: null, channels: [], shares: [] }
}
