import { expect, test } from 'vitest'

import { nativeCrypto } from '#host/crypto/native.ts'
import type { EntryCrypto } from '#host/entries/port.ts'

import { openBook } from './book.ts'
import { draft, MemoryHost, newPerson, now, random } from './host.fixture.ts'

const ENTRIES = 5_000
const CONTENT = new TextEncoder().encode('content').toHex()

/** Counts what is opened, and throws as soon as a content's key is used. Signatures are not what this is about. */
function watched() {
  const opened = { count: 0, bytes: 0 }
  const crypto: EntryCrypto = {
    ...nativeCrypto,
    verify: () => true,
    derive(derivation) {
      if (derivation.info.toHex().startsWith(CONTENT)) throw new Error('a content key was touched')
      return nativeCrypto.derive(derivation)
    },
    open(context, sealed) {
      opened.count++
      opened.bytes += sealed.length
      return nativeCrypto.open(context, sealed)
    },
  }
  return { crypto, opened }
}

test(`${ENTRIES} outlines are listed and no content key is touched`, { timeout: 120_000 }, () => {
  const { host, user, root, secrets } = newPerson()
  const quick = { publicKey: secrets.signer.publicKey, sign: () => new Uint8Array(3_373) }
  const all = new MemoryHost()
  const writer = openBook({
    crypto: { ...nativeCrypto, verify: () => true },
    user,
    ...secrets,
    signer: quick,
    now,
    random,
  })
  writer.learn(user, host.directory())
  const ids = Array.from({ length: ENTRIES }, (_, index) => {
    const write = writer.create(draft(`entry ${index}`))
    writer.confirm(write)
    return all.take(write)
  })
  const { crypto, opened } = watched()
  const reader = openBook({ crypto, user, ...secrets, now, random })
  reader.learn(user, host.directory())
  const served = ids.map((entry) => all.serve(entry, root.device))
  const { entries, findings } = reader.list(user, served, { complete: true })
  expect(findings).toEqual([])
  expect(entries.map(({ outline }) => outline?.title)).toEqual(ids.map((_, index) => `entry ${index}`))
  // For each: the outline's half of the share, 48 bytes, and the outline.
  expect(opened.count).toBe(2 * ENTRIES)
  const before = opened.count
  reader.list(user, served, { complete: true })
  expect(opened.count).toBe(before)
  expect(() => reader.read(user, served[0] as (typeof served)[0]).versions[0]?.content()).toThrow(
    'content key was touched',
  )
})
