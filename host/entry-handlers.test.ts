/** What handlers read of entries: as the vault's own device, when the owner's devices let it, and verified. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { openIssuer } from '#client/issuer.ts'
import type { EntryId } from '#host/entries/ids.ts'
import { nativeCrypto } from '#host/entries/native.ts'
import { createPool, type Pool } from '#host/plugin/pool.ts'
import { attach, attachVault, draft, type Rig, signUp } from './entries-rig.fixture.ts'
import { type Asker, connectService } from './service.fixture.ts'
import { gatedPool, random, startWorld, until, type World } from './world.fixture.ts'

const utf8 = new TextEncoder()
const handlers = { handlers: true, users: [] }
const ADDRESS = { fields: ['shipping_address'] }

let world: World
let phone: Rig
let acme: Asker

beforeEach(async () => {
  world = await startWorld({ handlers: ['data-access', 'verification'], devices: ['watch'] })
  phone = await signUp(world)
  await attachVault(phone)
  acme = await connectService(world, 'Acme')
})
afterEach(async () => {
  vi.restoreAllMocks()
  await world[Symbol.asyncDispose]()
})

const outline = (title: string, kind = 'profile-field') => ({ title, kind, urls: [] })
const field = (title: string, value: string, audience = handlers) => {
  return draft(title, value, { outline: outline(title), audience })
}
const putEntry = (value: string, audience = handlers) => phone.create('', field('shipping_address', value, audience))
const given = (value: string | undefined) => {
  return { status: 'replied', body: { fields: value === undefined ? {} : { shipping_address: value } } }
}
const ask = () => acme.ask('data.request', ADDRESS)

describe('a field that is an entry', () => {
  test('is given to a handler when handlers may use it, and wins over the plain item of its name', async () => {
    expect(await ask()).toMatchObject(given('12 Rose Lane'))
    const entry = await putEntry('1 Entry Road')
    expect(await ask()).toMatchObject(given('1 Entry Road'))
    await phone.update(entry, '2 Entry Road', { outline: outline('shipping_address') })
    expect(await ask()).toMatchObject(given('2 Entry Road'))
  })
})
