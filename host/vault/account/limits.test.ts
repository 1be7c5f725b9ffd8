/** Limits of what devices send and are shown: the most passes, one more does not. */
import { expect, test } from 'vitest'

import { parseDeviceId, parseEntryId } from '#host/entries/ids.ts'
import { encodeShareRow } from '#host/entries/row.ts'
import type { Item } from '#host/storage/port.ts'
import type { Vault } from '../vault.ts'
import { distrust } from './own-distrust.ts'
import { emptyAccount } from './live.ts'
import { encodeHeldVersion } from './rows.ts'
import { pageFor } from './served.ts'
import { versionWrite } from './write.ts'

const bytes = (length: number) => new Uint8Array(length)
const id = parseDeviceId(bytes(32))
const entry = parseEntryId(bytes(16))
const many = (count: number, row: readonly unknown[]) => Array.from({ length: count }, () => row)
const share = [id, id, 1, bytes(128)]
const channel = [id, id, 1, bytes(1_120)]
const least = { header: bytes(1), signature: bytes(3_373), outline: null, content: null, channels: [], shares: [] }

test.each([
  ['header', bytes(4_096), bytes(4_097)],
  ['outline', bytes(8_192), bytes(8_193)],
  ['content', bytes(524_288), bytes(524_289)],
  ['shares', many(512, share), many(513, share)],
  ['channels', many(512, channel), many(513, channel)],
  ['signature', bytes(3_373), bytes(3_374)],
])('the %s of a write has a limit', (name, most, more) => {
  expect(versionWrite.safeParse({ ...least, [name]: most }).success).toBe(true)
  expect(versionWrite.safeParse({ ...least, [name]: more }).success).toBe(false)
})

const item = (value: Uint8Array) => ({ value }) as Item

/** A vault that has one version under every name. */
function vaultOf(outline: Uint8Array): Vault {
  const row = { header: bytes(100), signature: bytes(3_373), recipients: bytes(32), outline }
  const version = encodeHeldVersion({ version: entry, hash: id, ...row } as never)
  const shared = encodeShareRow({ sharer: id, recipient: id, epoch: 1, sealed: bytes(128) })
  const namespace = (name: string) => ({ get: () => item(name === 'shares' ? shared : version) })
  return { store: { namespace } } as unknown as Vault
}

function taken(outline: Uint8Array): number {
  const page = pageFor(vaultOf(outline), id)
  while (page.add(entry, page.size + 1));
  return page.size
}

test('a page has at most 192 versions, and 768 KiB of them', () => {
  expect(taken(bytes(64))).toBe(192)
  // The channel goes with the first.
  const [channel, one] = [3_600 + 4_096, 3_373 + 5 + 100 + 32 + 4_096 + 256]
  expect(taken(bytes(4_096))).toBe(Math.floor((768 * 1_024 - channel) / one))
})

test('the owner is told of a version again when a thousand others were told of since', () => {
  const account = emptyAccount()
  const vault = { account } as unknown as Vault
  const tell = (seq: number) => distrust(vault, { entry, seq, code: 'entry-forked' })
  for (let seq = 1; seq <= 1_024; seq++) tell(seq)
  tell(1)
  expect(account.own.untold).toHaveLength(1_024)
  tell(1_025)
  tell(1)
  expect(account.own.untold).toHaveLength(1_026)
  expect(account.own.told.size).toBe(2)
})
