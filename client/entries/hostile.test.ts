/** A host that lies: each lie has its name. What a device alone cannot see is in compare.test.ts. */
import { describe, expect, test } from 'vitest'

import { nativeCrypto } from '#host/crypto/native.ts'
import { deviceId } from '#host/entries/device.ts'
import type { Finding } from '#host/entries/finding.ts'
import type { ServedEntry, ServedVersion, VersionHeader } from '#host/entries/model.ts'
import { signPrune } from '#host/entries/prune.ts'
import { signStatement } from '#host/entries/statement.ts'
import { decodeVersion, hashRecipients, signVersion } from '#host/entries/version.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'

import type { Book } from './book.ts'
import { attach, bookOf, current, draft, newPerson, newSecrets, now, type Secrets, send } from './host.fixture.ts'

const codes = (findings: readonly Finding[]) => findings.map(({ code }) => code)
const flip = (bytes: Uint8Array, at = 0) => bytes.with(at, (bytes[at] as number) ^ 1)

function sceneOf() {
  const alice = newPerson()
  const { host, user, root } = alice
  const tablet = attach(alice, root)
  const entry = send(host, root, root.create(draft('one')))
  for (const title of ['two', 'three']) send(host, root, root.update(current(alice, root, entry), draft(title)))
  const other = send(host, root, root.create(draft('other')))
  return { alice, host, user, root, tablet, entry, other }
}

const scene = sceneOf()
const { host, user, root, tablet, entry, other } = scene
const served = () => host.serve(entry, tablet.device)
/** What a fresh device, which remembers nothing, finds wrong. */
const fresh = (twist: (served: ServedEntry) => ServedEntry) => {
  const device = bookOf(user, tablet.secrets)
  device.learn(user, host.directory())
  const { findings, versions } = device.read(user, twist(served()))
  expect(versions).toHaveLength(findings.length === 0 ? served().versions.length : 0)
  return codes(findings)
}
const twistLast = (change: Partial<ServedVersion>) => (entry: ServedEntry) => ({
  ...entry,
  versions: [...entry.versions.slice(0, -1), { ...(entry.versions.at(-1) as ServedVersion), ...change }],
})
const last = () => served().versions.at(-1) as ServedVersion

test('an honest host is found right', () => expect(fresh((entry) => entry)).toEqual([]))

describe('versions', () => {
  test('one dropped from the middle, and all put in another order', () => {
    expect(fresh((entry) => ({ ...entry, versions: entry.versions.toSpliced(1, 1) }))).toContain('version-dropped')
    expect(fresh((entry) => ({ ...entry, versions: entry.versions.toReversed() }))).toContain('version-reordered')
    expect(fresh((entry) => ({ ...entry, versions: [] }))).toEqual(['version-malformed'])
  })

  test('one of another entry', () => {
    expect(fresh((entry) => ({ ...entry, versions: host.serve(other, tablet.device).versions }))).toEqual([
      'version-foreign',
    ])
  })

  test('a header, a signature or a sealed part that was changed', () => {
    expect(fresh(twistLast({ header: flip(last().header, 0) }))).toEqual(['version-malformed'])
    expect(fresh(twistLast({ signature: flip(last().signature, 5) }))).toEqual(['version-forged'])
    expect(fresh(twistLast({ signature: flip(last().signature, 3_320) }))).toEqual(['version-forged'])
    expect(fresh(twistLast({ content: flip(last().content as Uint8Array, 60) }))).toEqual(['content-altered'])
    expect(fresh(twistLast({ outline: flip(last().outline as Uint8Array, 60) }))).toEqual(['outline-altered'])
    expect(fresh(twistLast({ outline: null }))).toEqual(['outline-missing'])
    const before = served().versions[1] as ServedVersion
    expect(fresh(twistLast({ content: before.content, outline: before.outline }))).toEqual([
      'outline-altered',
      'content-altered',
    ])
  })

  test('an older one than was seen, or another in its place', () => {
    const device = bookOf(user, tablet.secrets)
    device.learn(user, host.directory())
    const whole = served()
    device.read(user, whole)
    const before = { ...whole, versions: whole.versions.slice(0, 2) }
    expect(codes(device.read(user, before).findings)).toEqual(['entry-rolled-back'])
    expect(codes(bookOf2(device).read(user, before).findings)).toEqual(['entry-rolled-back'])
    const fork = forge(root, scene, { seq: 3, prev: version(whole, 1).hash })
    const forked = { ...whole, versions: [...whole.versions.slice(0, 2), fork] }
    expect(codes(device.read(user, forked).findings)).toEqual(['entry-forked'])
    expect(codes(device.read(user, { ...whole, versions: [forge(root, scene, { seq: 9 })] }).findings)).toEqual([
      'version-dropped',
    ])
  })

  test('one that does not follow the one before', () => {
    const whole = served()
    const stray = forge(root, scene, { seq: 3, prev: version(whole, 0).hash })
    expect(fresh(() => ({ ...whole, versions: [...whole.versions.slice(0, 2), stray] }))).toContain('entry-forked')
  })

  test('none of an entry that was seen', () => {
    const listed = host.list([other], root.device)
    expect(codes(root.list(user, listed, { complete: true }).findings)).toEqual(['entry-withheld'])
    expect(root.list(user, listed, { complete: false }).findings).toEqual([])
  })
})

describe('signers', () => {
  test('nobody vouches for, or whose time was over, or that may not write', () => {
    const stranger = newSecrets()
    expect(judgeBy(stranger)).toEqual(['signer-unknown'])
    const alice = newPerson()
    const vault = attach(alice, alice.root, { role: 'vault' })
    const temporary = attach(alice, alice.root, { expires: now() })
    const ended = send(alice.host, temporary, temporary.create(draft('too late')))
    const byVault = send(alice.host, vault, vault.create(draft('by the vault')))
    const { root } = alice
    expect(codes(root.read(alice.user, alice.host.serve(ended, root.device)).findings)).toEqual(['signer-expired'])
    expect(codes(root.read(alice.user, alice.host.serve(byVault, root.device)).findings)).toEqual([
      'signer-not-allowed',
    ])
  })

  test('that was vouched for only after what it claims to have known', () => {
    const alice = newPerson()
    const early = alice.root.directory().head
    const late = attach(alice, alice.root)
    const write = late.create(draft('early'))
    const header = { ...decodeVersion(nativeCrypto, write).header, directory: early }
    const signed = signVersion(nativeCrypto, header, late.secrets.signer)
    const entry = alice.host.take({ ...write, header: signed.bytes, signature: signed.signature })
    const { findings } = alice.root.read(alice.user, alice.host.serve(entry, alice.root.device))
    expect(codes(findings)).toEqual(['signer-unknown'])
  })

  test('that was revoked: valid up to its place, and not after', () => {
    const { host, user, root, tablet, entry } = sceneOf()
    send(host, tablet, tablet.update(current({ host, user, root, secrets: tablet.secrets }, tablet, entry), draft('4')))
    root.read(user, host.serve(entry, root.device))
    const { statement, heads } = root.revoke(tablet.device, { lost: true })
    host.statements.push(statement)
    root.learn(user, host.directory())
    expect(codes(root.read(user, host.serve(entry, root.device)).findings)).toEqual(['signer-unplaced'])
    host.heads.push(heads)
    root.learn(user, host.directory())
    expect(root.read(user, host.serve(entry, root.device)).findings).toEqual([])
    // The revoked device and the host together: it pretends not to know of its end.
    const device = bookOf(user, newSecrets())
    device.learn(user, host.directory())
    const whole = host.serve(entry, device.device)
    const late = tablet.update(tablet.read(user, host.serve(entry, tablet.device)).versions.at(-1) as never, draft('5'))
    host.take(late)
    expect(codes(root.read(user, host.serve(entry, root.device)).findings)).toEqual(['signer-revoked'])
    const anew = host.take(tablet.create(draft('anew')))
    expect(codes(root.read(user, host.serve(anew, root.device)).findings)).toEqual(['signer-revoked'])
    const short = { ...whole, versions: whole.versions.slice(0, 3) }
    expect(codes(device.read(user, short).findings)).toEqual(['entry-rolled-back'])
    const swapped = forgeBy(tablet.secrets, whole, { seq: 4, at: 1 })
    const forked = { ...whole, versions: [...whole.versions.slice(0, 3), swapped] }
    expect(codes(device.read(user, forked).findings)).toEqual(['signer-revoked', 'entry-forked'])
  })
})

describe('shares', () => {
  test('of another version, entry or device, and none', () => {
    const first = served().versions[0] as ServedVersion
    expect(fresh(twistLast({ share: first.share }))).toEqual(['share-swapped'])
    const foreign = host.serve(other, tablet.device).versions[0] as ServedVersion
    expect(fresh(twistLast({ share: foreign.share }))).toEqual(['share-swapped'])
    const rootsOwn = host.serve(entry, root.device).versions.at(-1) as ServedVersion
    expect(fresh(twistLast({ share: rootsOwn.share, channel: rootsOwn.channel }))).toEqual(['share-swapped'])
    expect(fresh(twistLast({ channel: rootsOwn.channel }))).toEqual(['share-swapped'])
    expect(fresh(twistLast({ channel: null }))).toEqual(['share-swapped'])
    expect(fresh(twistLast({ share: null }))).toEqual(['share-withheld'])
  })

  test('made by the host: a channel to anybody can be, a share that opens cannot', () => {
    const { share, channel } = last()
    if (share === null || channel === null) throw new Error('no share')
    const { ciphertext } = nativeCrypto.encapsulate(tablet.secrets.keys.sealing)
    expect(fresh(twistLast({ channel: { ...channel, ciphertext } }))).toEqual(['share-swapped'])
    const stranger = deviceId(nativeCrypto, newSecrets().keys)
    const strange = { share: { ...share, sharer: stranger }, channel: { ...channel, sharer: stranger } }
    expect(fresh(twistLast(strange))).toEqual(['share-swapped'])
  })

  test('whose content half alone was swapped is found when it is opened', () => {
    const { share } = last()
    if (share === null) throw new Error('no share')
    const device = bookOf(user, tablet.secrets)
    device.learn(user, host.directory())
    const twisted = twistLast({ share: { ...share, sealed: flip(share.sealed, 90) } })(served())
    const read = device.read(user, twisted)
    expect(read.findings).toEqual([])
    expect(refusalOf(() => read.versions.at(-1)?.content())).toBe('entry-distrusted')
  })

  test('for more or fewer devices than were signed', () => {
    const { recipients } = last()
    const stranger = deviceId(nativeCrypto, newSecrets().keys)
    expect(fresh(twistLast({ recipients: [...recipients, stranger] }))).toEqual(['recipients-altered'])
    expect(fresh(twistLast({ recipients: recipients.slice(1) }))).toEqual(['recipients-altered'])
    expect(fresh(twistLast({ recipients: recipients.toReversed() }))).toEqual([])
  })
})

describe('directories', () => {
  test('shorter than was seen, or another', () => {
    const device = bookOf(user, tablet.secrets)
    const { statements } = host.directory()
    device.learn(user, host.directory())
    expect(codes(device.learn(user, { statements: statements.slice(0, 1), heads: [] }))).toEqual([
      'directory-rolled-back',
    ])
    const fork = root.attach({ keys: newSecrets().keys, label: 'forked', role: 'device', expires: null })
    const early = bookOf(user, scene.alice.secrets)
    early.learn(user, { statements: statements.slice(0, 1), heads: [] })
    const forked = early.attach({ keys: newSecrets().keys, label: 'forked', role: 'device', expires: null })
    expect(codes(device.learn(user, { statements: [...statements.slice(0, 1), forked], heads: [] }))).toEqual([
      'directory-forked',
    ])
    expect(device.directory().devices.size).toBe(2)
    expect(codes(device.learn(user, { statements: [...statements, forked, fork], heads: [] }))).toEqual([
      'directory-broken',
    ])
  })

  test('with a device that the host made up, or one that vouched for itself', () => {
    const mallory = newSecrets()
    const body = { kind: 'attest', label: 'mallory', keys: mallory.keys, role: 'device', expires: null } as const
    const { head } = root.directory()
    const statement = { user, seq: head.seq + 1, prev: head.hash, by: root.device, at: now(), body }
    const forged = signStatement(nativeCrypto, statement, mallory.signer)
    const own = { ...statement, by: deviceId(nativeCrypto, mallory.keys) }
    const self = signStatement(nativeCrypto, own, mallory.signer)
    for (const made of [forged, self]) {
      const device = bookOf(user, tablet.secrets)
      const { statements } = host.directory()
      expect(codes(device.learn(user, { statements: [...statements, made.bytes], heads: [] }))).toEqual([
        'device-forged',
      ])
      expect(device.directory().devices.size).toBe(2)
    }
  })

  test('with an attestation made for another user', () => {
    const bob = newPerson()
    attach(bob, bob.root)
    const device = bookOf(user, tablet.secrets)
    const statements = [...host.statements, bob.host.statements[1] as Uint8Array]
    expect(codes(device.learn(user, { statements, heads: [] }))).toEqual(['attestation-foreign'])
    expect(refusalOf(() => device.learn(user, bob.host.directory()))).toBe('directory-invalid')
  })

  test('with what counts for nothing', () => {
    const alice = newPerson()
    const vault = attach(alice, alice.root, { role: 'vault' })
    alice.host.statements.push(vault.rename(alice.root.device, 'mine'))
    expect(codes(alice.root.learn(alice.user, alice.host.directory()))).toEqual(['statement-void'])
  })

  test('without a revocation that a writer knew of', () => {
    const alice = newPerson()
    const { host, user, root } = alice
    const [lost, kept] = [attach(alice, root), attach(alice, root)]
    const before = host.directory()
    const { statement, heads } = root.revoke(lost.device)
    host.statements.push(statement)
    host.heads.push(heads)
    root.learn(user, host.directory())
    const entry = send(host, root, root.create(draft('secret')))
    const device = bookOf(user, kept.secrets)
    expect(device.learn(user, before)).toEqual([])
    expect(codes(device.read(user, host.serve(entry, kept.device)).findings)).toEqual(['revocation-hidden'])
  })

  test('of another shape than what a version’s writer knew', () => {
    const [alice, keys] = [newPerson(), newSecrets().keys]
    const { host, user, root, secrets } = alice
    const split = bookOf(user, secrets)
    split.learn(user, host.directory())
    host.statements.push(root.attach({ keys, label: 'shown to one', role: 'device', expires: null }))
    root.learn(user, host.directory())
    const entry = host.take(root.create(draft('one')))
    const statements = [host.statements[0] as Uint8Array, split.rename(root.device, 'shown to the other')]
    split.learn(user, { statements, heads: [] })
    expect(codes(split.read(user, host.serve(entry, root.device)).findings)).toEqual(['directory-forked'])
  })
})

test('a command to forget that is not for these versions, or not signed by a device', () => {
  const { alice, host, user, root, tablet, entry } = sceneOf()
  const { version: last } = current(alice, root, entry)
  const good = root.prune(entry, last)
  const short = { ...host.serve(entry, tablet.device), versions: host.serve(entry, tablet.device).versions.slice(2) }
  const judge = (prune: Uint8Array) => {
    const device = bookOf(user, tablet.secrets)
    device.learn(user, host.directory())
    return codes(device.read(user, { ...short, prune }).findings)
  }
  expect(judge(good)).toEqual([])
  expect(judge(flip(good, good.length - 1))).toEqual(['prune-invalid'])
  const upTo = { seq: 2, hash: last.header.prev ?? last.hash }
  const prune = { user, entry, upTo, directory: root.directory().head, at: now(), by: root.device }
  const signer = scene.alice.secrets.signer
  expect(judge(signPrune(prune, signer).bytes)).toEqual(['prune-invalid'])
  const own = alice.secrets.signer
  expect(judge(signPrune({ ...prune, upTo: { ...upTo, hash: last.hash } }, own).bytes)).toEqual(['prune-invalid'])
  expect(judge(signPrune({ ...prune, entry: scene.entry }, own).bytes)).toEqual(['prune-invalid'])
  expect(judge(signPrune({ ...prune, upTo: { ...upTo, seq: 1 } }, own).bytes)).toEqual(['prune-invalid'])
  const revoked = root.revoke(tablet.device)
  host.statements.push(revoked.statement)
  host.heads.push(revoked.heads)
  const ahead = { ...prune, directory: { seq: 9, hash: last.hash } }
  expect(judge(signPrune(ahead, own).bytes)).toEqual(['revocation-hidden'])
  root.learn(user, host.directory())
  const late = { ...prune, by: tablet.device, directory: root.directory().head }
  expect(judge(signPrune(late, tablet.secrets.signer).bytes)).toEqual(['prune-invalid'])
})

/** The same device after a restart. */
function bookOf2(book: Book): Book {
  const again = bookOf(user, tablet.secrets, book.memory())
  again.learn(user, host.directory())
  return again
}

function version(served: ServedEntry, index: number) {
  return decodeVersion(nativeCrypto, served.versions[index] as ServedVersion)
}

/** A version that a device of this user signed, but not in this place. */
function forge(book: Book, of: { readonly alice: { readonly secrets: Secrets } }, change: Partial<VersionHeader>) {
  return forgeWith(of.alice.secrets, book.device, served(), change)
}

function forgeBy(secrets: Secrets, served: ServedEntry, change: Partial<VersionHeader>): ServedVersion {
  return forgeWith(secrets, deviceId(nativeCrypto, secrets.keys), served, change)
}

function forgeWith(secrets: Secrets, by: VersionHeader['by'], of: ServedEntry, change: Partial<VersionHeader>) {
  const template = of.versions.at(-1) as ServedVersion
  const recipients = hashRecipients(nativeCrypto, [])
  const header = { ...decodeVersion(nativeCrypto, template).header, by, recipients, ...change }
  const { bytes, signature } = signVersion(nativeCrypto, header, secrets.signer)
  return { ...template, header: bytes, signature, share: null, channel: null, recipients: [] }
}

function judgeBy(secrets: Secrets): string[] {
  const device = bookOf(user, scene.alice.secrets)
  device.learn(user, host.directory())
  const stranger = forgeBy(secrets, host.serve(other, root.device), {})
  return codes(device.read(user, { entry: other, versions: [stranger], prune: null }).findings)
}
