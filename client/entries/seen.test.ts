/** What a book does not do twice, and what it does again when anything it judged by has changed. */
import { expect, test } from 'vitest'

import { nativeCrypto } from '#host/crypto/native.ts'
import type { ServedEntry } from '#host/entries/model.ts'
import type { EntryCrypto } from '#host/entries/port.ts'

import { type Book, openBook } from './book.ts'
import { attach, draft, newPerson, now, random, send } from './host.fixture.ts'
import { CONTENTS_KEPT_MAX } from './limits.ts'

/** Counts verified signatures and opened parts and shares. */
function counting() {
  const count = { verified: 0, opened: 0 }
  const crypto: EntryCrypto = {
    ...nativeCrypto,
    verify(signed) {
      count.verified++
      return nativeCrypto.verify(signed)
    },
    open(context, sealed) {
      count.opened++
      return nativeCrypto.open(context, sealed)
    },
  }
  return { crypto, count }
}

function written(entries: number) {
  const { host, user, root, secrets } = newPerson()
  const ids = Array.from({ length: entries }, (_, at) => {
    const write = root.create(draft(`entry ${at}`))
    root.confirm(write)
    return host.take(write)
  })
  const { crypto, count } = counting()
  const open = (memory?: Uint8Array): Book => {
    const book = openBook({ crypto, user, ...secrets, now, random, ...(memory && { memory }) })
    book.learn(user, host.directory())
    count.verified = 0
    return book
  }
  const served = ids.map((entry): ServedEntry => host.serve(entry, root.device))
  return { host, user, root, served, open, count }
}

test('a device that remembers verifies what is new, and nothing else', () => {
  const { host, user, root, served, open, count } = written(3)
  const first = open()
  first.list(user, served, { complete: true })
  expect(count.verified).toBe(3)
  const [one] = served
  const current = one && root.read(user, one).versions.at(-1)
  if (!one || !current) throw new Error('an entry')
  const next = root.update(current, draft('changed'))
  host.take(next)
  const again = open(first.memory())
  const changed = host.serve(one.entry, root.device)
  const { entries, findings } = again.list(user, [...served.slice(1), changed], { complete: true })
  expect(findings).toEqual([])
  expect(new Set(entries.map(({ outline }) => outline?.title))).toEqual(new Set(['changed', 'entry 1', 'entry 2']))
  expect(count.verified).toBe(1)
})

test('an entry that is shown again is neither verified nor opened again, and what was kept can be wiped', () => {
  const { user, served, open, count } = written(1)
  const [one] = served
  if (!one) throw new Error('an entry')
  const book = open()
  const content = book.read(user, one).versions[0]?.content()
  const before = { ...count }
  const shown = book.read(user, one).versions[0]
  expect(shown?.content()).toEqual(content)
  // Each is the caller's own, to wipe.
  shown?.content()?.fill(0)
  expect(shown?.content()).toEqual(content)
  expect(count).toEqual(before)
  book.forget()
  expect(shown?.content()).toEqual(content)
  expect(count.opened).toBeGreaterThan(before.opened)
})

test('contents kept open are bounded', () => {
  const { user, served, open, count } = written(CONTENTS_KEPT_MAX + 1)
  const book = open()
  for (const one of served) book.read(user, one).versions[0]?.content()
  const { opened } = count
  for (const one of served.slice(1)) book.read(user, one).versions[0]?.content()
  expect(count.opened).toBe(opened)
  const [first] = served
  if (first) book.read(user, first).versions[0]?.content()
  expect(count.opened).toBeGreaterThan(opened)
})

test('who signed is judged again when the directory has moved on', () => {
  const person = newPerson()
  const { host, user, root, secrets } = person
  const tablet = attach(person, root)
  const entry = send(host, tablet, tablet.create(draft('by the tablet')))
  const book = openBook({ crypto: nativeCrypto, user, ...secrets, now, random })
  book.learn(user, host.directory())
  const served = host.serve(entry, root.device)
  book.read(user, served).versions[0]?.content()
  expect(book.list(user, [served], { complete: true }).entries).toHaveLength(1)
  // Its end is known, and where its entries stood then is withheld.
  root.read(user, served)
  host.statements.push(root.revoke(tablet.device, { lost: true }).statement)
  book.learn(user, host.directory())
  const unplaced = [{ code: 'signer-unplaced' }]
  expect(book.list(user, [served], { complete: true }).findings).toMatchObject(unplaced)
  expect(book.read(user, served).findings).toMatchObject(unplaced)
})
