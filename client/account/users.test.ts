/** Other users: one device meets them, and all of the owner's devices write what is shared with them. */
import { afterEach, beforeEach, expect, test } from 'vitest'

import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { draft, freshKeys, textOf } from '#host/entries-rig.fixture.ts'
import { type Peers, startPeers } from '#host/peers.fixture.ts'
import { random, type World } from '#host/world.fixture.ts'

import { type Account, openAccount, signUp } from './account.ts'
import type { AccountOptions } from './state.ts'

let peers: Peers
let atAlice: string
let atBob: string
let alice: Account
let bob: Account

beforeEach(async () => {
  peers = await startPeers({ handlers: [] })
  ;({ atAlice, atBob } = await peers.connect())
  alice = await signUp(optionsOf(peers.alice, firstOf(peers.alice)), 'phone')
  bob = await signUp(optionsOf(peers.bob, firstOf(peers.bob)), 'phone')
})
afterEach(() => peers[Symbol.asyncDispose]())

function firstOf(world: World) {
  return { owner: world.alice, signing: world.signing('phone'), kem: generateKemKey() }
}

type Keys = Pick<ReturnType<typeof freshKeys>, 'signing' | 'kem'>

function optionsOf(world: World, { owner, signing, kem }: Keys & Pick<AccountOptions, 'owner'>) {
  let kept: Uint8Array | undefined
  const store = {
    read: () => Promise.resolve(kept),
    write: (bytes: Uint8Array) => Promise.resolve(void (kept = bytes)),
  }
  const secrets = { signer: signing, opener: kem }
  return { ...secrets, crypto: nativeCrypto, owner, now: world.now, random, store }
}

/** Another device of Alice's, which met nobody; `says` is what its vault answers otherwise. */
async function tablet(says: Partial<AccountOptions['owner']['entries']> = {}): Promise<Account> {
  const { signing, kem, keys } = freshKeys()
  const id = await alice.devices.attach({ keys, label: 'tablet' })
  await alice.devices.backfill(id)
  const { entries, shared } = await peers.alice.enrol(id.toHex(), signing)
  const owner = { entries: { ...entries, ...says }, shared }
  return openAccount({ ...optionsOf(peers.alice, { owner, signing, kem }), user: alice.user })
}

async function lease() {
  const user = await alice.meet(atAlice)
  const entry = await alice.create(draft('the lease'))
  await alice.share(await alice.get(entry), user)
  return { entry, user }
}

test('a device writes what another one shared, and walks the other user’s devices for it', async () => {
  const { entry, user } = await lease()
  const other = await tablet()
  await other.change(entry, () => ({
    ...draft('the lease', '24 months'),
    audience: { handlers: false, users: [user] },
  }))
  expect(textOf((await bob.readShared(atBob, entry)).content())).toBe('24 months')
  const more = await other.create(draft('the keys'))
  await other.share(await other.get(more), user)
  expect((await bob.sharedBy(atBob)).entries).toHaveLength(2)
})

test('a vault that names another user, or nobody, has nothing sealed to them', async () => {
  const { entry, user } = await lease()
  const change = (by: Account) =>
    by.change(entry, () => ({ ...draft('the lease'), audience: { handlers: false, users: [user] } }))
  const nobody = await tablet({ users: () => Promise.resolve([]) })
  await expect(change(nobody)).rejects.toThrow(/of no connection that was met: trellis owner meet/)
  const stranger = bob.user.with(0, (bob.user[0] ?? 0) ^ 1) as typeof bob.user
  const swapped = await tablet({ users: () => Promise.resolve([{ user: stranger, connection: atAlice }]) })
  await expect(swapped.share(await swapped.get(entry), stranger)).rejects.toMatchObject({ code: 'directory-invalid' })
})
