import { describe, expect, test } from 'vitest'

import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { alone, attach, bookOf, current, draft, newPerson, newSecrets, send, textOf } from './host.fixture.ts'

describe('one user, several devices', () => {
  const alice = newPerson()
  const { host, user, root } = alice
  const tablet = attach(alice, root)
  const entry = send(host, root, root.create(draft('first')))

  test('what one device writes, another reads', () => {
    const read = current(alice, tablet, entry)
    expect(read.outline).toEqual({ title: 'first', kind: 'note', urls: ['https://example.org/'] })
    expect(textOf(read.content())).toBe('content of first')
    expect(read.version.header.seq).toBe(1)
  })

  test('channels are sent once, and again until a host has taken them', () => {
    const lost = root.update(current(alice, root, entry), draft('never sent'))
    expect(lost.channels).toHaveLength(0)
    const laptop = attach(alice, root)
    tablet.learn(user, host.directory())
    const first = root.update(current(alice, root, entry), draft('lost'))
    expect(first.channels).toHaveLength(1)
    const again = root.update(current(alice, root, entry), draft('second'))
    expect(again.channels).toEqual(first.channels)
    send(host, root, again)
    expect(textOf(current(alice, laptop, entry).content())).toBe('content of second')
    expect(root.update(current(alice, root, entry), draft('third')).channels).toHaveLength(0)
  })

  test('the current one is updated, deleted and restored, each as one more version', () => {
    const before = current(alice, tablet, entry)
    send(host, tablet, tablet.remove(before))
    const gone = current(alice, root, entry)
    expect(gone.outline).toBeNull()
    expect(gone.content()).toBeNull()
    expect(gone.version.header.operation).toBe('delete')
    expect(refusalOf(() => root.resign(gone))).toBe('command-invalid')
    const history = root.read(user, host.serve(entry, root.device)).versions
    send(host, root, root.restore(gone, history.at(-2) as (typeof history)[0]))
    const restored = current(alice, tablet, entry)
    expect(restored.version.header.operation).toBe('restore')
    expect(restored.version.header.from).toEqual(before.version.hash)
    expect(textOf(restored.content())).toBe('content of second')
    expect(refusalOf(() => root.restore(restored, gone))).toBe('command-invalid')
  })

  test('the keys of every version are new', () => {
    const writes = [root.create(draft('same')), root.create(draft('same'))]
    expect(writes[0]?.content).not.toEqual(writes[1]?.content)
    expect(writes[0]?.outline).not.toEqual(writes[1]?.outline)
  })

  test('history is forgotten by a signed command, and what is left is verified', () => {
    const last = current(alice, root, entry)
    const count = last.version.header.seq - 1
    host.forget(entry, root.prune(entry, last.version), count)
    expect(tablet.read(user, host.serve(entry, tablet.device)).findings).toEqual([])
    const stranger = bookOf(user, newSecrets())
    stranger.learn(user, host.directory())
    expect(stranger.read(user, host.serve(entry, stranger.device)).findings).toEqual([])
    const first = host.take(root.create(draft('one')))
    expect(refusalOf(() => root.prune(first, current(alice, root, first).version))).toBe('command-invalid')
  })

  test('a book takes back what it remembered, and no other device’s', () => {
    const { channels } = tablet.update(current(alice, tablet, entry), draft('never sent'))
    expect(channels).toHaveLength(3)
    const memory = tablet.memory()
    const again = bookOf(user, tablet.secrets, memory)
    again.learn(user, host.directory())
    const write = again.update(current(alice, again, entry), draft('after a restart'))
    expect(write.channels).toEqual(channels)
    send(host, again, write)
    expect(refusalOf(() => bookOf(user, newSecrets(), memory))).toBe('recovery-invalid')
  })
})

describe('a new device', () => {
  test('gets shares of what was written before, and then reads it', () => {
    const alice = newPerson()
    const { host, user, root } = alice
    const entry = send(host, root, root.create(draft('one')))
    send(host, root, root.update(current(alice, root, entry), draft('two')))
    const late = attach(alice, root)
    expect(current(alice, late, entry).content()).toBeNull()
    const filled = root.backfill(host.serve(entry, root.device), { owner: user, device: late.device })
    expect(filled.shares).toHaveLength(2)
    expect(filled.channels).toHaveLength(1)
    host.fill(entry, filled)
    root.confirmChannels(filled.channels)
    const { versions } = late.read(user, host.serve(entry, late.device))
    expect(versions.map((version) => textOf(version.content()))).toEqual(['content of one', 'content of two'])
    const again = root.backfill(host.serve(entry, root.device), { owner: user, device: late.device })
    expect(again.channels).toEqual([])
    send(host, root, root.update(current(alice, root, entry), draft('three')))
    const after = root.backfill(host.serve(entry, root.device), { owner: user, device: late.device })
    expect(after.shares).toHaveLength(2)
  })

  test('that is not active gets nothing', () => {
    const alice = newPerson()
    const { host, user, root } = alice
    const entry = send(host, root, root.create(draft('one')))
    const stranger = bookOf(user, newSecrets())
    const fill = () => root.backfill(host.serve(entry, root.device), { owner: user, device: stranger.device })
    expect(refusalOf(fill)).toBe('device-unknown')
  })
})

describe('an audience', () => {
  const alice = newPerson()
  const bob = newPerson('bob’s phone')
  const bobTablet = attach(bob, bob.root)
  const vault = attach(alice, alice.root, { role: 'vault', label: 'vault' })
  const { host, root } = alice
  const entry = send(host, root, root.create(draft('for me')))

  test('of me alone leaves out the vault and other users', () => {
    expect(current(alice, vault, entry).outline).toBeNull()
    expect(refusalOf(() => root.share(current(alice, root, entry), { handlers: false, users: [bob.user] }))).toBe(
      'directory-invalid',
    )
  })

  test('grows by a version that has more shares, and shrinks by one that has fewer', () => {
    root.learn(bob.user, bob.host.directory())
    send(host, root, root.share(current(alice, root, entry), { handlers: true, users: [bob.user] }))
    for (const reader of [bob.root, bobTablet]) {
      reader.learn(alice.user, host.directory())
      const { versions, findings } = reader.read(alice.user, host.serve(entry, reader.device))
      expect(findings).toEqual([])
      expect(versions[0]?.content()).toBeNull()
      expect(textOf(versions[1]?.content() ?? null)).toBe('content of for me')
      expect(refusalOf(() => reader.remove(versions[1] as (typeof versions)[0]))).toBe('command-invalid')
    }
    expect(textOf(current(alice, vault, entry).content())).toBe('content of for me')
    send(host, root, root.share(current(alice, root, entry), alone))
    const { versions } = bobTablet.read(alice.user, host.serve(entry, bobTablet.device))
    expect(versions[2]?.outline).toBeNull()
    expect(textOf(versions[1]?.content() ?? null)).toBe('content of for me')
  })

  test('reaches devices that its users attach later, for the versions that were for them', () => {
    const laptop = attach(bob, bob.root)
    root.learn(bob.user, bob.host.directory())
    const filled = root.backfill(host.serve(entry, root.device), { owner: bob.user, device: laptop.device })
    expect(filled.shares.map(({ version }) => version.header.seq)).toEqual([2])
    const handlers = attach(alice, root, { role: 'vault', label: 'moved vault' })
    const toVault = root.backfill(host.serve(entry, root.device), { owner: alice.user, device: handlers.device })
    expect(toVault.shares.map(({ version }) => version.header.seq)).toEqual([2])
  })
})

test('the operator’s backup key has a share once its user opted in, and none once they opted out', () => {
  const alice = newPerson()
  const { host, user, root } = alice
  const operator = newSecrets()
  expect(root.create(draft('before')).shares).toHaveLength(1)
  host.statements.push(root.setBackup(operator.keys.sealing))
  root.learn(user, host.directory())
  expect(root.directory().backup).toEqual(operator.keys.sealing)
  expect(root.create(draft('with')).shares).toHaveLength(2)
  host.statements.push(root.setBackup(null))
  root.learn(user, host.directory())
  expect(root.create(draft('after')).shares).toHaveLength(1)
})

describe('the end of a device', () => {
  test('is refused while it signs or vouches, unless it is lost', () => {
    const alice = newPerson()
    const { host, user, root } = alice
    const tablet = attach(alice, root)
    const watch = attach(alice, tablet)
    root.learn(user, host.directory())
    const entry = send(host, tablet, tablet.create(draft('by the tablet')))
    current(alice, root, entry)
    expect(root.heldBy(tablet.device)).toEqual({ signs: [entry], vouchesFor: [watch.device] })
    expect(refusalOf(() => root.revoke(tablet.device))).toBe('conflict')
    send(host, root, root.resign(current(alice, root, entry)))
    host.statements.push(root.attach({ keys: watch.secrets.keys, label: 'watch', role: 'device', expires: null }))
    root.learn(user, host.directory())
    const { statement, heads } = root.revoke(tablet.device)
    host.statements.push(statement)
    host.heads.push(heads)
    expect(root.learn(user, host.directory())).toEqual([])
    expect(root.directory().devices.get(tablet.device.toHex())?.status).toBe('revoked')
    expect(root.directory().devices.get(watch.device.toHex())?.status).toBe('active')
    expect(root.create(draft('after')).shares.map(({ recipient }) => recipient)).toEqual([root.device, watch.device])
    expect(refusalOf(() => root.revoke(tablet.device))).toBe('device-unknown')
  })

  test('that is lost takes at once all that it vouches for; what it had signed stays readable', () => {
    const alice = newPerson()
    const { host, user, root } = alice
    const tablet = attach(alice, root)
    attach(alice, tablet)
    root.learn(user, host.directory())
    const entry = send(host, tablet, tablet.create(draft('by the tablet')))
    current(alice, root, entry)
    const { statement, heads } = root.revoke(tablet.device, { lost: true })
    host.statements.push(statement)
    host.heads.push(heads)
    root.learn(user, host.directory())
    expect([...root.directory().devices.values()].map(({ status }) => status)).toEqual(['active', 'revoked', 'revoked'])
    expect(textOf(current(alice, root, entry).content())).toBe('content of by the tablet')
  })

  test('is refused for the last one; the root names who takes its place', () => {
    const alice = newPerson()
    const { host, user, root } = alice
    expect(refusalOf(() => root.revoke(root.device, { lost: true }))).toBe('command-invalid')
    const tablet = attach(alice, root)
    const watch = attach(alice, root)
    const { statement, heads } = root.revoke(root.device, { heir: tablet.device })
    host.statements.push(statement)
    host.heads.push(heads)
    tablet.learn(user, host.directory())
    const { devices, root: now } = tablet.directory()
    expect(now).toEqual(tablet.device)
    expect(devices.get(watch.device.toHex())?.parent).toEqual(tablet.device)
    host.statements.push(tablet.revoke(watch.device).statement)
    tablet.learn(user, host.directory())
    expect(tablet.directory().devices.get(watch.device.toHex())?.status).toBe('revoked')
  })
})

test('a list opens outlines alone: content is neither needed nor touched', () => {
  const alice = newPerson()
  const { host, user, root } = alice
  const ids = ['a', 'b', 'c'].map((title) => send(host, root, root.create(draft(title))))
  const listed = root.list(user, host.list(ids, root.device), { complete: true })
  expect(listed.findings).toEqual([])
  expect(listed.entries.map(({ outline }) => outline?.title)).toEqual(['a', 'b', 'c'])
  const contents = host.list(ids, root.device).flatMap(({ versions }) => versions.map(({ content }) => content))
  expect(contents).toEqual([null, null, null])
})
