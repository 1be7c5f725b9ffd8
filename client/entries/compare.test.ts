import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { ServedVersion } from '#host/entries/model.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { decodeView, encodeView } from './compare.ts'
import { attach, bookOf, current, draft, MemoryHost, newPerson, newSecrets, random, send } from './host.fixture.ts'

const codes = (findings: readonly { readonly code: string }[]) => findings.map(({ code }) => code)

/** Two devices of one user, and a host that shows each of them a world of its own from some time on. */
function split() {
  const alice = newPerson()
  const { host, user, root } = alice
  const tablet = attach(alice, root)
  const entry = send(host, root, root.create(draft('common')))
  current(alice, tablet, entry)
  const other = new MemoryHost()
  other.statements.push(...host.statements)
  other.channels.push(...host.channels)
  const versions = host.entries.get(entry.toHex()) ?? []
  other.entries.set(entry.toHex(), versions.slice())
  return { alice, host, other, user, root, tablet, entry }
}

describe('a split view', () => {
  test('of an entry is seen by neither device alone, and found when they compare', () => {
    const { alice, host, other, user, root, tablet, entry } = split()
    expect(root.fingerprint()).toBe(tablet.fingerprint())
    const [mine, theirs] = [current(alice, root, entry), current(alice, tablet, entry)]
    send(host, root, root.update(mine, draft('shown to one')))
    send(other, tablet, tablet.update(theirs, draft('shown to the other')))
    expect(root.read(user, host.serve(entry, root.device)).findings).toEqual([])
    expect(tablet.read(user, other.serve(entry, tablet.device)).findings).toEqual([])
    expect(root.fingerprint()).not.toBe(tablet.fingerprint())
    const { findings, unsettled } = root.compareHeads(tablet.view())
    expect(codes(findings)).toEqual(['view-split'])
    expect(unsettled).toEqual([])
  })

  test('of different lengths is settled with what a host serves', () => {
    const { alice, host, other, user, root, tablet, entry } = split()
    const before = root.view()
    send(host, root, root.update(current(alice, root, entry), draft('second')))
    expect(root.compareHeads(before)).toEqual({ findings: [], unsettled: [entry] })
    const known = before.entries[0] as (typeof before.entries)[0]
    expect(root.settle(host.serve(entry, root.device), known)).toEqual([])
    for (const title of ['x', 'y']) {
      send(
        other,
        tablet,
        tablet.update(tablet.read(user, other.serve(entry, tablet.device)).versions.at(-1) as never, draft(title)),
      )
    }
    const theirs = tablet.view()
    const { unsettled } = root.compareHeads(theirs)
    expect(unsettled).toEqual([entry])
    const head = theirs.entries[0] as (typeof theirs.entries)[0]
    expect(codes(root.settle(host.serve(entry, root.device), head))).toEqual(['view-split'])
    const mine = root.view().entries[0] as typeof head
    expect(codes(tablet.settle(other.serve(entry, tablet.device), mine))).toEqual(['view-split'])
  })

  test('of the directory, and a revocation that one device was not shown', () => {
    const { alice, host, other, user, root, tablet } = split()
    host.statements.push(root.attach({ keys: newSecrets().keys, label: 'one', role: 'device', expires: null }))
    root.learn(user, host.directory())
    expect(codes(tablet.compareHeads(root.view()).findings)).toEqual(['revocation-hidden'])
    expect(root.compareHeads(tablet.view()).findings).toEqual([])
    other.statements.push(tablet.rename(tablet.device, 'other'))
    tablet.learn(user, other.directory())
    expect(codes(tablet.compareHeads(root.view()).findings)).toEqual(['view-split'])
    expect(() => root.compareHeads(newPerson().root.view())).toThrow('another user')
    expect(alice.user).toEqual(user)
  })

  test('entries that one device never saw are named', () => {
    const { host, root, tablet } = split()
    const entry = send(host, root, root.create(draft('unseen')))
    expect(tablet.compareHeads(root.view()).unsettled).toEqual([entry])
    expect(root.compareHeads(tablet.view()).unsettled).toEqual([entry])
  })
})

test('a list does not settle what was written meanwhile: it says so, and remembers nothing of it', () => {
  const { alice, host, user, root, tablet, entry } = split()
  for (const title of ['2', '3']) send(host, root, root.update(current(alice, root, entry), draft(title)))
  const { entries, unlinked, findings } = tablet.list(user, host.list([entry], tablet.device), { complete: true })
  expect(findings).toEqual([])
  expect(entries[0]?.outline?.title).toBe('3')
  expect(unlinked).toEqual([entry])
  expect(tablet.view().entries[0]?.seq).toBe(1)
  tablet.read(user, host.serve(entry, tablet.device))
  expect(tablet.list(user, host.list([entry], tablet.device), { complete: true }).unlinked).toEqual([])
  const { versions } = host.serve(entry, tablet.device)
  const old = { entry, versions: [{ ...(versions[0] as ServedVersion), content: null }], prune: null }
  expect(codes(tablet.list(user, [old], { complete: true }).findings)).toEqual(['entry-rolled-back'])
})

test('a view is its bytes, and nothing else is read', () => {
  const { root } = split()
  const bytes = encodeView(root.view())
  expect(encodeView(decodeView(bytes))).toEqual(bytes)
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const twisted = bytes.with(at, (bytes[at] as number) ^ change)
      try {
        expect(encodeView(decodeView(twisted))).toEqual(twisted)
      } catch (cause) {
        expect(cause).toMatchObject({ code: 'entry-invalid' })
      }
    }),
  )
  const junk = fc.uint8Array({ maxLength: 300 })
  fc.assert(
    fc.property(junk, (bytes) => {
      expect(refusalOf(() => decodeView(bytes))).toBe('entry-invalid')
    }),
  )
})

test('a memory is its bytes, and nothing else is read', () => {
  const { user, root, alice } = split()
  const bytes = root.memory()
  expect(bookOf(user, alice.secrets, bytes).memory()).toEqual(bytes)
  const open = (memory: Uint8Array) => () => bookOf(user, alice.secrets, memory)
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), (length) => {
      expect(refusalOf(open(bytes.slice(0, length)))).toBe('recovery-invalid')
    }),
  )
  expect(refusalOf(open(random(100)))).toBe('recovery-invalid')
})
