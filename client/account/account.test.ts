/** An account as an app uses it, on a host in this process. */
import { setTimeout as delay } from 'node:timers/promises'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { type OwnerDevice, pairDevice } from '#client/owner.ts'
import { forgetfulStore } from '#client/transport.ts'
import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import type { DeviceId } from '#host/entries/ids.ts'
import { Refusal } from '#host/errors.ts'
import { draft, freshKeys, textOf } from '#host/entries-rig.fixture.ts'
import { random, startWorld, type World } from '#host/world.fixture.ts'

import { type Account, openAccount, signUp } from './account.ts'
import { REVOKE_ATTEMPTS, WRITE_ATTEMPTS } from './limits.ts'
import type { AccountOptions, AccountStore } from './state.ts'

const ATTEMPTS = 2
/** More than a page holds. */
const VERSIONS = 120
/** An answer that is late by this is overtaken by a write, where writes do not wait for it. */
const OVERTAKEN_MS = 1_000

let world: World
let phone: Device

beforeEach(async () => {
  world = await startWorld({ handlers: [] })
  const options = optionsOf(world.alice, { signing: world.signing('phone'), kem: generateKemKey() })
  phone = { account: await signUp(options, 'phone'), owner: world.alice, options }
})
afterEach(() => world[Symbol.asyncDispose]())

interface Device {
  readonly account: Account
  readonly owner: OwnerDevice
  readonly options: Omit<AccountOptions, 'user'>
}

function optionsOf(owner: AccountOptions['owner'], keys: Pick<ReturnType<typeof freshKeys>, 'signing' | 'kem'>) {
  const secrets = { signer: keys.signing, opener: keys.kem }
  return { ...secrets, crypto: nativeCrypto, owner, now: world.now, random, store: memory() }
}

function memory(): AccountStore {
  let kept: Uint8Array | undefined
  return {
    read: () => Promise.resolve(kept),
    write: (bytes) => Promise.resolve(void (kept = bytes)),
  }
}

async function attach(label: string, by = phone): Promise<Device> {
  const { signing, kem, keys } = freshKeys()
  const id = await by.account.devices.attach({ keys, label })
  const owner = await world.enrol(id.toHex(), signing)
  const options = optionsOf(owner, { signing, kem })
  return { account: await openAccount({ ...options, user: by.account.user }), owner, options }
}

/** The same device, with a vault that answers some things otherwise. */
function lying({ account, owner, options }: Device, lies: Partial<OwnerDevice['entries']>): Promise<Account> {
  const host = { entries: { ...owner.entries, ...lies }, shared: owner.shared }
  return openAccount({ ...options, owner: host, user: account.user })
}

describe('writing', () => {
  test('of two at once has one winner; the other is told which version is current, and may try again', async () => {
    const tablet = await attach('tablet')
    const entry = await phone.account.create(draft('Router'))
    const stale = await tablet.account.get(entry)
    await phone.account.update(await phone.account.get(entry), draft('Router', 'phone'))
    const written = await tablet.account.update(stale, draft('Router', 'tablet'))
    if (written.kind === 'written') throw new Error('it was overtaken')
    expect(textOf(written.current.content())).toBe('phone')
    const seen: (string | null)[] = []
    const seq = await tablet.account.change(entry, (current) => {
      seen.push(textOf(current.content()))
      return draft('Router', 'both')
    })
    expect({ seq, seen }).toEqual({ seq: 3, seen: ['phone'] })
    expect(textOf((await phone.account.get(entry)).content())).toBe('both')
  })

  test.each([
    ['as it was said', { attempts: ATTEMPTS }, ATTEMPTS],
    ['as the limit says', {}, WRITE_ATTEMPTS],
  ])('is given up when others are always first, so often %s', async (_name, options, tries) => {
    const tablet = await attach('tablet')
    const entry = await phone.account.create(draft('Router'))
    let edits = 0
    const overtaken = await lying(tablet, {
      async update(write) {
        await phone.account.change(entry, () => draft('Router', `phone ${(edits += 1)}`))
        return tablet.owner.entries.update(write)
      },
    })
    const change = overtaken.change(entry, () => draft('Router', 'mine'), options)
    await expect(change).rejects.toMatchObject({ code: 'conflict' })
    expect(edits).toBe(tries)
  })

  test('asked for at once is done one by one: nothing looks like a lie', async () => {
    const entry = await phone.account.create(draft('Router'))
    let isSlow = true
    const slow = await lying(phone, {
      async get(id) {
        const page = await phone.owner.entries.get(id)
        if (isSlow) {
          isSlow = false
          await delay(OVERTAKEN_MS)
        }
        return page
      },
    })
    const [read, written] = await Promise.all([slow.get(entry), slow.change(entry, () => draft('Router', 'two'))])
    expect([read.version.header.seq, written]).toEqual([1, 2])
  })

  test('follows what was written between, and knows what may be forgotten', async () => {
    const tablet = await attach('tablet')
    const entry = await phone.account.create(draft('Router'))
    await tablet.account.get(entry)
    for (const text of ['two', 'three', 'four', 'five']) {
      await phone.account.change(entry, () => draft('Router', text))
    }
    expect((await tablet.account.list()).findings).toEqual([])
    expect(textOf((await tablet.account.version(entry, 3)).content())).toBe('three')
    await phone.account.change(entry, () => draft('Router', 'six'))
    await phone.account.change(entry, () => draft('Router', 'seven'))
    expect(await phone.account.prune(entry, await phone.account.get(entry))).toBe(7)
    expect(textOf((await tablet.account.get(entry)).content())).toBe('seven')
    await expect(tablet.account.version(entry, 3)).rejects.toMatchObject({ code: 'command-invalid' })
  })
})

describe('devices', () => {
  test('are given what was there in steps, each told of, and again only what lacks', async () => {
    const entry = await phone.account.create(draft('Router'))
    await phone.account.change(entry, () => draft('Router', 'two'))
    const tablet = await attach('tablet')
    expect(await tablet.account.list()).toMatchObject({ entries: [{ outline: null }] })
    const steps: string[] = []
    const tell = (done: number, total: number) => void steps.push(`${done}/${total}`)
    const first = await phone.account.devices.backfill(tablet.account.device, { progress: tell })
    expect({ first, steps }).toEqual({ first: { shares: 2, unopened: 0, findings: [] }, steps: ['2/2'] })
    expect(textOf((await tablet.account.get(entry)).content())).toBe('two')
    expect(await phone.account.devices.backfill(tablet.account.device)).toMatchObject({ shares: 0 })
  })

  test('are given the rest when it was cut off in the middle, and nothing twice', { timeout: 120_000 }, async () => {
    // Outlines this long leave room for some ninety versions in a page.
    const urls = Array.from({ length: 8 }, (_, at) => `https://${at}.example/${'x'.repeat(480)}`)
    const long = { ...draft('Router'), outline: { title: 'Router', kind: 'note', urls } }
    const entry = await phone.account.create(long)
    while ((await phone.account.change(entry, () => long)) < VERSIONS);
    const tablet = await attach('tablet')
    let sent = 0
    const cut = await lying(phone, {
      async backfill(shares, channels) {
        if (sent > 0) throw new Error('cut off')
        sent = shares.length
        return phone.owner.entries.backfill(shares, channels)
      },
    })
    const [before, after]: [number[], number[]] = [[], []]
    const first = cut.devices.backfill(tablet.account.device, { progress: (done) => void before.push(done) })
    await expect(first).rejects.toThrow('cut off')
    expect(before).toEqual([sent])
    expect(await tablet.account.get(entry)).toMatchObject({ outline: null })
    const again = await openAccount({ ...phone.options, user: phone.account.user })
    const rest = await again.devices.backfill(tablet.account.device, { progress: (done) => void after.push(done) })
    expect(rest).toEqual({ shares: VERSIONS - sent, unopened: 0, findings: [] })
    expect(after.at(-1)).toBe(VERSIONS)
    expect((await tablet.account.history(entry)).filter(({ outline }) => outline !== null)).toHaveLength(VERSIONS)
  })

  test('that cannot open a version pass nothing on', async () => {
    await phone.account.create(draft('Router'))
    const tablet = await attach('tablet')
    const watch = await attach('watch')
    expect(await tablet.account.devices.backfill(watch.account.device)).toMatchObject({ shares: 0, unopened: 1 })
  })

  test('are not revoked when entries always move on: it is tried so often', async () => {
    const { device } = (await attach('tablet')).account
    let tries = 0
    const overtaken = await lying(phone, {
      revoke() {
        tries += 1
        return Promise.reject(new Refusal('conflict', 'device.revoke was refused: conflict: moved on'))
      },
    })
    await expect(overtaken.devices.revoke(device)).rejects.toMatchObject({ code: 'conflict' })
    expect(tries).toBe(REVOKE_ATTEMPTS)
  })

  test('are revoked while another one writes', async () => {
    const [tablet, laptop] = [await attach('tablet'), await attach('laptop')]
    const child = await attach('watch', tablet)
    await phone.account.refresh()
    const entry = await tablet.account.create(draft('by the tablet'))
    let isLate = false
    const root = await lying(phone, {
      async revoke(statement, urgent) {
        if (!isLate) {
          isLate = true
          await laptop.account.create(draft('meanwhile'))
        }
        return phone.owner.entries.revoke(statement, urgent)
      },
    })
    expect(await root.devices.revoke(tablet.account.device)).toEqual({ resigned: 1, vouched: 1 })
    const statusOf = (id: DeviceId) => root.directory().devices.get(id.toHex())?.status
    expect([statusOf(tablet.account.device), statusOf(child.account.device)]).toEqual(['revoked', 'active'])
    expect((await root.get(entry)).version.header.by).toEqual(phone.account.device)
  })

  test('that are the root hand over to an heir, who has the others with it', async () => {
    const [tablet, watch] = [await attach('tablet'), await attach('watch')]
    await phone.account.create(draft('by the phone'))
    await tablet.account.refresh()
    await phone.account.devices.backfill(tablet.account.device)
    expect(await tablet.account.devices.takeOver(phone.account.device)).toEqual({ resigned: 1, vouched: 0 })
    await phone.account.devices.revoke(phone.account.device, { heir: tablet.account.device })
    await tablet.account.refresh()
    const { root, devices } = tablet.account.directory()
    expect(root).toEqual(tablet.account.device)
    expect(devices.get(watch.account.device.toHex())).toMatchObject({ status: 'active', parent: root })
  })

  test('that are lost go at once, with all that they vouch for', async () => {
    const tablet = await attach('tablet')
    const child = await attach('watch', tablet)
    const entry = await tablet.account.create(draft('by the tablet'))
    await phone.account.refresh()
    const freed = await phone.account.devices.revoke(tablet.account.device, { lost: true })
    expect(freed).toEqual({ resigned: 0, vouched: 0 })
    expect(phone.account.directory().devices.get(child.account.device.toHex())?.status).toBe('revoked')
    expect(textOf((await phone.account.get(entry)).content())).toBe('what by the tablet holds')
    await expect(phone.account.devices.revoke(phone.account.device)).rejects.toMatchObject({ code: 'command-invalid' })
  })
})

describe('a host that lies is named', () => {
  test('when it serves the past, hides an entry or another device', async () => {
    const entry = await phone.account.create(draft('Router'))
    await phone.account.change(entry, () => draft('Router', 'two'))
    const { entries } = phone.owner
    const past = await lying(phone, { get: (id) => entries.get(id, 1) })
    await expect(past.get(entry)).rejects.toMatchObject({
      code: 'entry-distrusted',
      message: expect.stringMatching(/^entry-rolled-back: /),
    })
    const hiding = await lying(phone, { list: () => Promise.resolve({ versions: [], next: null }) })
    expect((await hiding.list()).findings.map(({ code }) => code)).toEqual(['entry-withheld'])
    await attach('tablet')
    const shorter = async (after?: number) => {
      const page = await entries.directory(after)
      return { ...page, statements: page.statements.slice(0, 1), next: null }
    }
    await phone.account.refresh()
    await expect(lying(phone, { directory: shorter })).rejects.toMatchObject({
      message: expect.stringMatching(/^directory-rolled-back: /),
    })
  })

  test('when two devices compare what they were shown', async () => {
    const tablet = await attach('tablet')
    const entry = await phone.account.create(draft('Router'))
    expect(await tablet.account.compare(await phone.account.showView())).toEqual([])
    expect(await tablet.account.fingerprint()).toBe(await phone.account.fingerprint())
    await phone.account.change(entry, () => draft('Router', 'two'))
    const view = await phone.account.showView()
    const { entries } = tablet.owner
    const past = await lying(tablet, {
      list: (after) => entries.list(after).then((page) => ({ ...page, versions: [] })),
      history: async (id) => {
        const page = await entries.history(id)
        return { ...page, seq: 1, versions: page.versions.slice(0, 1), next: null }
      },
    })
    expect((await past.compare(view)).map(({ code }) => code)).toContain('view-split')
    await expect(past.compare(view.slice(1))).rejects.toMatchObject({ code: 'malformed' })
  })
})

test('what is remembered is of one device, and nothing else is taken for it', async () => {
  await phone.account.create(draft('Router'))
  const stored = await phone.options.store.read()
  if (stored === undefined) throw new Error('something is kept')
  const other = optionsOf(world.alice, { signing: generateSigningKey(), kem: generateKemKey() })
  await other.store.write(stored)
  const opened = openAccount({ ...other, user: phone.account.user })
  await expect(opened).rejects.toMatchObject({ code: 'recovery-invalid' })
})

test('a vault that does not answer is given up, when patience was said', async () => {
  await world.kill()
  const surroundings = { crypto: nativeCrypto, now: world.now, random }
  const { identity } = world
  const keys = { signing: generateSigningKey(), transport: world.broker.connect(), store: forgetfulStore() }
  const silent = pairDevice({ vault: 'alice', identity, device: 'phone', ...keys, ...surroundings, patienceMs: 100 })
  await expect(silent).rejects.toMatchObject({ code: 'bus-unavailable' })
  await world.start()
})

test('the backup is only for a host that offers one', async () => {
  await expect(phone.account.setBackup(true)).rejects.toMatchObject({ code: 'command-invalid' })
})
