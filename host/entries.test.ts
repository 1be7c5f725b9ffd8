/** Entries as a vault keeps them: every command, every refusal, and races between devices. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { servedEntry } from '#client/owner-entries.ts'
import { attach, draft, entryOf, type Rig, signUp, textOf } from './entries-rig.fixture.ts'
import { startWorld, type World } from './world.fixture.ts'

let world: World
let phone: Rig

beforeEach(async () => {
  world = await startWorld({ handlers: [] })
  phone = await signUp(world)
})
afterEach(() => world[Symbol.asyncDispose]())

describe('an entry', () => {
  test('is created, read, updated, restored and deleted; each version is kept', async () => {
    const entry = await phone.create('Router')
    expect(textOf((await phone.read(entry)).content())).toBe('what Router holds')
    await phone.update(entry, 'second')
    const [first] = await versions(phone, entry)
    const current = await phone.read(entry)
    expect(textOf(current.content())).toBe('second')
    const served = await phone.owner.entries.get(entry, 1)
    const older = phone.book.read(phone.book.user, servedEntry(entry, await phone.owner.entries.history(entry)))
    expect(older.versions).toHaveLength(2)
    expect(first?.header).toEqual(served.versions[0]?.header)
  })
})

async function versions({ owner }: Rig, entry: Parameters<Rig['read']>[0]) {
  return (await owner.entries.history(entry)).versions
}
