import { describe, expect, test } from 'vitest'

import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { activeDevices, descendantsOf, openWalk, walkDirectory } from './directory.ts'
import { parseUserId } from './ids.ts'
import { attestation, newDevice, newFamily, noHeads, random, reasons, statuses } from './family.fixture.ts'
import { ATTESTATION_DEPTH_MAX, DEVICES_MAX, STATEMENTS_MAX } from './limits.ts'

describe('a walk', () => {
  test('finds who is vouched for from the root on, with labels, parents and the operator’s key', () => {
    const { root, user, said, say, attest, walk } = newFamily()
    const [tablet, watch, vault] = [newDevice(), newDevice(), newDevice()]
    attest(root, tablet, { label: 'tablet' })
    attest(tablet, watch, { label: 'watch' })
    attest(root, vault, { label: 'vault', role: 'vault' })
    say(tablet, { kind: 'rename', device: watch.id, label: 'new watch' })
    say(watch, { kind: 'backup', key: vault.keys.sealing })
    const directory = walk()
    expect(reasons(directory)).toEqual([])
    expect(directory).toMatchObject({ user, root: root.id, backup: vault.keys.sealing })
    expect(directory.head).toEqual({ seq: 5, hash: said.at(-1)?.hash })
    const told = [...directory.devices.values()].map(({ label, parent, since }) => [label, parent, since])
    expect(told).toEqual([
      ['root', null, 0],
      ['tablet', root.id, 1],
      ['new watch', tablet.id, 2],
      ['vault', root.id, 3],
    ])
    expect(activeDevices(directory, { vault: false })).toHaveLength(3)
    expect(activeDevices(directory, { vault: true })).toHaveLength(4)
    expect(descendantsOf(directory.devices, root.id)).toHaveLength(3)
  })

  test('begins with this user’s own root, or not at all', () => {
    const { root, user, said, make, attest } = newFamily()
    const [first] = said.map(({ bytes }) => bytes)
    const walk = (statements: readonly Uint8Array[], of = user) =>
      refusalOf(() => walkDirectory(crypto, { user: of, statements, now: 0 }))
    expect(walk([])).toBe('directory-invalid')
    expect(walk([random(40)])).toBe('directory-invalid')
    expect(walk([first as Uint8Array], parseUserId(random(32)))).toBe('directory-invalid')
    attest(root, newDevice())
    expect(walk([(said[1] as (typeof said)[0]).bytes])).toBe('directory-invalid')
    const other = newDevice()
    const body = { kind: 'root', label: 'root', keys: root.keys } as const
    const start = { seq: 0, prev: null }
    expect(walk([make(root, body, start, other.signer).bytes])).toBe('directory-invalid')
    expect(walk([make(root, body, { ...start, by: other.id }).bytes])).toBe('directory-invalid')
    expect(walk([make(root, body, { seq: 1, prev: null }).bytes])).toBe('directory-invalid')
    expect(walk([make(other, { ...body, keys: other.keys }, start).bytes])).toBe('directory-invalid')
    expect(walkDirectory(crypto, { user, statements: [make(root, body, start).bytes], now: 0 }).user).toEqual(user)
    expect(walk(Array.from({ length: STATEMENTS_MAX + 1 }, () => first as Uint8Array))).toBe('directory-invalid')
  })
})

describe('a walk that goes on', () => {
  test('finds what a whole one finds, verifies only what is new, and leaves what it goes on from as it was', () => {
    const { root, user, said, attest, revoke, walk } = newFamily()
    const [tablet, watch] = [newDevice(), newDevice()]
    attest(root, tablet)
    const forged = flipLast((said[1] as (typeof said)[0]).bytes)
    let verified = 0
    const counting = {
      ...crypto,
      verify: (signed: Parameters<typeof crypto.verify>[0]) => (verified++, crypto.verify(signed)),
    }
    const first = openWalk(counting, { user, statements: [...said.map(({ bytes }) => bytes), forged] })
    const before = first.at(2_000)
    attest(tablet, watch)
    revoke(root, tablet)
    const more = said.slice(2).map(({ bytes }) => bytes)
    const whole = walkDirectory(crypto, {
      user,
      statements: [...said.slice(0, 2).map(({ bytes }) => bytes), forged, ...more],
      now: 2_000,
    })
    verified = 0
    expect(first.and(more).at(2_000)).toEqual(whole)
    expect(verified).toBe(more.length)
    expect(first.at(2_000)).toEqual(before)
    expect(whole.ignored).toMatchObject([{ index: 2, reason: 'unchained' }])
    expect(walk().head).toEqual(whole.head)
    const many = Array.from({ length: STATEMENTS_MAX }, () => forged)
    expect(refusalOf(() => first.and(many))).toBe('directory-invalid')
  })
})

const flipLast = (bytes: Uint8Array) => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte))

describe('an edge is ignored and reported', () => {
  test('when it is forged: signed by another, or by a device of nobody', () => {
    const { root, make, walk } = newFamily()
    const [mallory, other] = [newDevice(), newDevice()]
    const forged = make(root, attestation(mallory), {}, mallory.signer)
    expect(reasons(walk(0, [forged.bytes]))).toEqual(['forged'])
    const half = Uint8Array.from(make(root, attestation(mallory)).bytes)
    half[half.length - 1] = (half.at(-1) as number) ^ 1
    expect(reasons(walk(0, [half]))).toEqual(['forged'])
    const unknown = make(mallory, attestation(other))
    expect(reasons(walk(0, [unknown.bytes]))).toEqual(['unknown-device'])
    expect(reasons(walk(0, [random(30)]))).toEqual(['malformed'])
    expect(walk(0, [forged.bytes, half, unknown.bytes]).devices.size).toBe(1)
  })

  test('when it is for another user, also by a device that both have', () => {
    const [one, two] = [newFamily(), newFamily()]
    const shared = newDevice()
    one.attest(one.root, shared)
    two.attest(two.root, shared)
    const child = newDevice()
    const place = { seq: 2, prev: two.said[1]?.hash ?? null }
    const forOne = one.make(shared, attestation(child), place)
    expect(reasons(two.walk(0, [forOne.bytes]))).toEqual(['wrong-user'])
  })

  test('when it is out of its place: repeated, reordered, or with one missing before it', () => {
    const { root, said, attest, walk, user } = newFamily()
    for (let count = 0; count < 3; count++) attest(root, newDevice())
    const [a, b, c, d] = said.map(({ bytes }) => bytes) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const at = (statements: readonly Uint8Array[]) => reasons(walkDirectory(crypto, { user, statements, now: 0 }))
    expect(at([a, b, b, c, d])).toEqual(['unchained'])
    expect(at([a, c, b, d])).toEqual(['unchained', 'unchained'])
    expect(at([a, c, d])).toEqual(['unchained', 'unchained'])
    expect(reasons(walk())).toEqual([])
  })

  test('when it closes a circle, or is too deep', () => {
    const { root, attest, walk } = newFamily()
    const chain = [root]
    for (let depth = 1; depth <= ATTESTATION_DEPTH_MAX; depth++) {
      const child = newDevice()
      attest(chain.at(-1) as typeof root, child)
      chain.push(child)
    }
    expect(reasons(walk())).toEqual([])
    attest(chain.at(-1) as typeof root, newDevice())
    expect(reasons(walk())).toEqual(['over-deep'])
    attest(chain[3] as typeof root, chain[1] as typeof root)
    attest(chain[3] as typeof root, root)
    attest(chain[3] as typeof root, chain[3] as typeof root)
    expect(reasons(walk()).slice(1)).toEqual(['cyclic', 'cyclic', 'cyclic'])
    const late = newDevice()
    attest(root, late)
    attest(late, chain[1] as typeof root)
    expect(reasons(walk()).slice(4)).toEqual(['over-deep'])
    expect(walk().devices.get((chain[1] as typeof root).id.toHex())?.parent).toEqual(root.id)
  })

  test('when its writer’s time was over, or it was revoked', () => {
    const { root, attest, revoke, walk } = newFamily()
    const [short, gone] = [newDevice(), newDevice()]
    attest(root, short, { expires: 999 })
    attest(short, newDevice())
    attest(root, gone)
    revoke(root, gone)
    attest(gone, newDevice())
    expect(reasons(walk())).toEqual(['expired', 'revoked-parent'])
    expect(statuses(walk(999))).toEqual(['active', 'active', 'revoked'])
    expect(statuses(walk(1_000))).toEqual(['active', 'expired', 'revoked'])
    attest(root, gone)
    expect(reasons(walk()).at(-1)).toBe('revoked-device')
    attest(root, short, { expires: 5_000 })
    expect(statuses(walk(4_000))).toEqual(['active', 'active', 'revoked'])
  })

  test('when its writer may not: the vault’s own device, a second root, the vault vouched for by another', () => {
    const { root, say, attest, walk } = newFamily()
    const [vault, tablet] = [newDevice(), newDevice()]
    attest(root, vault, { role: 'vault' })
    attest(vault, newDevice())
    say(vault, { kind: 'backup', key: null })
    say(root, { kind: 'root', label: 'again', keys: root.keys })
    attest(root, tablet)
    attest(tablet, newDevice(), { role: 'vault' })
    attest(root, tablet, { role: 'vault' })
    say(tablet, { kind: 'rename', device: root.id, label: 'mine' })
    expect(reasons(walk())).toEqual(Array.from({ length: 6 }, () => 'not-allowed'))
    say(root, { kind: 'rename', device: newDevice().id, label: 'who' })
    expect(reasons(walk()).at(-1)).toBe('unknown-device')
  })

  test('when there are too many devices', { timeout: 60_000 }, () => {
    const { root, attest, walk } = newFamily()
    for (let count = 1; count < DEVICES_MAX; count++) attest(root, newDevice())
    expect(reasons(walk())).toEqual([])
    attest(root, newDevice())
    expect(reasons(walk())).toEqual(['too-many'])
  })
})

describe('a revocation', () => {
  test('is by an ancestor or the root, and ends all below', () => {
    const { root, attest, revoke, walk } = newFamily()
    const [tablet, watch, ring, other] = [newDevice(), newDevice(), newDevice(), newDevice()]
    attest(root, tablet)
    attest(tablet, watch)
    attest(watch, ring)
    attest(root, other)
    revoke(other, watch)
    revoke(watch, tablet)
    revoke(watch, watch)
    expect(reasons(walk())).toEqual(['not-allowed', 'not-allowed', 'not-allowed'])
    revoke(tablet, watch)
    expect(statuses(walk())).toEqual(['active', 'active', 'revoked', 'revoked', 'active'])
    expect(walk().devices.get(ring.id.toHex())?.revocation).toEqual({ seq: 8, at: 1_000, heads: noHeads })
    revoke(root, watch)
    revoke(root, newDevice())
    expect(reasons(walk()).slice(3)).toEqual(['revoked-device', 'unknown-device'])
  })

  test('spares a device that another has vouched for since', () => {
    const { root, attest, revoke, walk } = newFamily()
    const [tablet, watch] = [newDevice(), newDevice()]
    attest(root, tablet)
    attest(tablet, watch)
    attest(root, watch)
    revoke(root, tablet)
    expect(statuses(walk())).toEqual(['active', 'revoked', 'active'])
  })

  test('of the root is its own, and names an heir that it vouches for', () => {
    const { root, attest, revoke, walk } = newFamily()
    const [tablet, watch, vault] = [newDevice(), newDevice(), newDevice()]
    attest(root, tablet)
    attest(tablet, watch)
    attest(root, vault, { role: 'vault' })
    revoke(root, root)
    revoke(root, root, watch)
    revoke(root, root, vault)
    revoke(root, root, newDevice())
    expect(reasons(walk())).toEqual(Array.from({ length: 4 }, () => 'last-device'))
    revoke(tablet, root, tablet)
    revoke(root, tablet, watch)
    expect(reasons(walk()).slice(4)).toEqual(['not-allowed', 'not-allowed'])
    revoke(root, root, tablet)
    expect(statuses(walk())).toEqual(['revoked', 'active', 'active', 'active'])
    expect(walk().root).toEqual(tablet.id)
    revoke(tablet, vault)
    attest(root, newDevice())
    expect(statuses(walk())).toEqual(['revoked', 'active', 'active', 'revoked'])
    expect(reasons(walk()).slice(6)).toEqual(['revoked-parent'])
  })
})
