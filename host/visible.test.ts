/** What lies outside the ciphertext, compared with what `docs/visible.md` says of it. */
import { readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { nativeCrypto } from '#host/crypto/native.ts'
import { decodeStatement } from '#host/entries/statement.ts'
import { decodeVersion } from '#host/entries/version.ts'
import { type DeviceNamespace, deviceNamespaces, type Item } from '#host/storage/port.ts'
import { decodeEntryRecord, decodeHeldVersion, encodeEntryRecord, encodeHeldVersion } from '#host/vault/account/rows.ts'
import { attach, draft, signUp } from './entries-rig.fixture.ts'
import { random, startWorld, type World } from './world.fixture.ts'

/** Kinds of record that the page lists. */
function listed(): string[] {
  const page = readFileSync(new URL('../docs/visible.md', import.meta.url), 'utf8')
  const names = [...page.matchAll(/^\| `([a-z -]+)` \|/gmu)].map(([, name]) => name ?? '')
  return names.toSorted()
}

type Row = readonly [namespace: DeviceNamespace, key: string, item: Item]

async function rows(world: World): Promise<Row[]> {
  const { store } = await world.vault()
  return deviceNamespaces.flatMap((name) =>
    store
      .namespace(name)
      .scan({ prefix: '', limit: 256 })
      .items.map(([key, item]): Row => [name, key, item]),
  )
}

function kindOf([namespace, key]: Row): string {
  const isOneKind = namespace === 'channels' || namespace === 'shares'
  return isOneKind ? namespace : `${namespace} ${key.split('/')[0]}`
}

/** Every item of a namespace of the vault, its keys included. */
async function holds(world: World, bytes: Uint8Array): Promise<boolean> {
  const { store } = await world.vault()
  const needles = [Buffer.from(bytes), Buffer.from(bytes.toHex()), Buffer.from(bytes.toBase64())]
  return store.namespaces().some((name) => {
    let after: string | undefined
    do {
      const page = store.namespace(name).scan({ prefix: '', limit: 256, ...(after !== undefined && { after }) })
      for (const [key, { value }] of page.items) {
        if (needles.some((needle) => key.includes(needle.toString()) || Buffer.from(value).includes(needle)))
          return true
      }
      after = page.next
    } while (after !== undefined)
    return false
  })
}

test('every record outside the ciphertext is listed, and holds what is listed and no more', async () => {
  await using world = await startWorld({ handlers: [] })
  const phone = await signUp(world)
  const tablet = await attach(world, phone, 'tablet')
  await phone.learn()
  const [title, content, url] = ['a title of an outline', random(48), 'https://login.example/at']
  const outline = { title, kind: 'login', urls: [url] }
  const audience = { handlers: false, users: [phone.book.user.map((byte) => byte ^ 1) as typeof phone.book.user] }
  const secret = draft('', '', { outline, content })
  const entry = await phone.create('first', secret)
  await phone.update(entry, '', secret)
  const [, second] = (await phone.owner.entries.history(entry)).versions
  if (!second) throw new Error('two versions')
  const version = decodeVersion(nativeCrypto, second)
  await phone.owner.entries.prune(phone.book.prune(entry, version))
  await phone.owner.entries.revoke(phone.book.revoke(tablet.book.device).statement)
  // Another user, as `user.learn` keeps one.
  const { store } = await world.vault()
  const user = audience.users[0]?.toHex()
  for (const key of [`user/${user}`, `user-statement/${user}/0000000000`]) {
    await store.commit([{ namespace: 'directory', key, value: new Uint8Array(1) }], { now: world.now() })
  }

  const kept = await rows(world)
  expect([...new Set(kept.map(kindOf))].toSorted()).toEqual(listed())

  for (const secret of [title, url, 'login'].map((text) => Buffer.from(text)))
    expect(await holds(world, secret)).toBe(false)
  expect(await holds(world, content)).toBe(false)
  for (const key of [phone.kem.seed, phone.signing.seed]) expect(await holds(world, key.export())).toBe(false)
  expect(await holds(world, Buffer.from('tablet'))).toBe(true)

  const headers = kept.filter((row) => kindOf(row) === 'versions header')
  for (const [, , { value, author, visibility }] of headers) {
    const held = decodeHeldVersion(value)
    expect(encodeHeldVersion(held)).toEqual(value)
    expect(Object.keys(held).toSorted()).toEqual(['hash', 'header', 'outline', 'recipients', 'signature', 'version'])
    expect(Object.keys(decodeVersion(nativeCrypto, held).header).toSorted()).toEqual(
      'at audience by content directory entry from operation outline prev recipients seq user version'.split(' '),
    )
    expect({ author, visibility }).toEqual({ author: undefined, visibility: 'opaque' })
  }
  const heads = kept.filter((row) => kindOf(row) === 'entries head')
  for (const [, , { value }] of heads) {
    const record = decodeEntryRecord(value)
    expect(encodeEntryRecord(record)).toEqual(value)
    expect(Object.keys(record).toSorted()).toEqual('by first hash operation seq version'.split(' '))
  }
  const statements = kept.filter((row) => kindOf(row) === 'directory statement')
  for (const [, , { value }] of statements) {
    expect(Object.keys(decodeStatement(nativeCrypto, value).statement).toSorted()).toEqual(
      'at body by prev seq user'.split(' '),
    )
  }
  const lengths = (name: string) =>
    new Set(kept.filter((row) => kindOf(row) === name).map(([, , item]) => item.value.length))
  expect(lengths('shares')).toEqual(new Set([4 + 128 + 32]))
  expect(lengths('channels')).toEqual(new Set([1_120]))
})

test('a device is shown none of it outside its commands, and can take none of it away', async () => {
  await using world = await startWorld({ handlers: [] })
  const phone = await signUp(world)
  await phone.create('Router')
  for (const [namespace, key] of await rows(world)) {
    const { items } = await world.alice.browse(namespace)
    expect(items.every(({ value }) => value === null)).toBe(true)
    await expect(world.alice.remove({ namespace, key, confirm: true })).rejects.toThrow(/command-invalid/)
  }
})

test('a version for five devices costs at most 5.5 KB beside what is in it', async () => {
  await using world = await startWorld({ handlers: [] })
  const phone = await signUp(world)
  const others = []
  while (others.length < 4) others.push(await attach(world, phone, `device ${others.length}`))
  await phone.learn()
  const entry = await phone.create('Router')
  const { store } = await world.vault()
  const before = store.size.bytes - ownBytes()
  const content = random(1_024)
  await phone.update(entry, '', { content })
  const grown = store.size.bytes - ownBytes() - before
  expect(grown).toBeGreaterThan(3_373 + content.length)
  expect(grown - content.length).toBeLessThanOrEqual(5.5 * 1_024)

  /** Of the vault's own books: they are not the version's. */
  function ownBytes(): number {
    return store.namespace('system').bytes + store.namespace('audit').bytes
  }
})
