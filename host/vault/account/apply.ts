/** What a version that was judged leaves, and what the owner's other devices are told. */
import type { EntryId } from '#host/entries/ids.ts'
import type { VersionWrite } from '#host/entries/model.ts'
import type { Change, Expectation } from '#host/storage/port.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { joinBytes } from '#host/wire/bytes.ts'
import type { Outgoing } from '../commit.ts'
import { notices } from '../notice.ts'
import type { Device } from '../party.ts'
import type { Vault } from '../vault.ts'
import { directoryUnchanged, userUnchanged } from './directory.ts'
import { channelChange, counted, entriesUnchanged, entryChange, headKey, shareChange, versionChanges } from './held.ts'
import type { EntryRecord } from './rows.ts'
import type { Judged } from './judge.ts'

export interface Taken {
  readonly record: EntryRecord
  readonly changes: readonly Change[]
  readonly expected: readonly Expectation[]
}

/** All of a version: relied on are the entry's place and the directory, so that no other commit comes between. */
export function taken(vault: Vault, write: VersionWrite, { signed, current, recipients }: Judged): Taken {
  const { header, hash } = signed
  const { entry, version, seq, operation, by } = header
  const record: EntryRecord = { seq, hash, version, first: current?.first ?? 1, operation, by }
  const row = {
    version,
    hash,
    header: write.header,
    signature: write.signature,
    outline: write.outline,
    recipients: joinBytes(recipients),
  }
  const users = header.audience.users.map((user) => userUnchanged(vault, user))
  const count = counted(vault, !current)
  return {
    record,
    changes: [
      ...count.changes,
      entryChange(entry, record),
      ...versionChanges(entry, { ...row, seq, content: write.content }),
      ...write.channels.map(channelChange),
      ...write.shares.map((share) => shareChange(version, share)),
    ],
    expected: [unchanged(vault, entry), directoryUnchanged(vault), ...users, ...count.expected],
  }
}

/** That nobody else writes an entry meanwhile. */
export function unchanged(vault: Vault, entry: EntryId): Expectation {
  return entriesUnchanged(vault, headKey(entry))
}

/** To every device but the one that did it: that there is something new, and where. Sent once; all compare heads. */
export function tellOthers(vault: Vault, by: Device, type: string, body: Cbor): Outgoing[] {
  return notices(vault, type, body).flatMap((notice) =>
    notice.to === by ? [] : [Object.assign(notice, { delivery: 'best-effort' } as const)],
  )
}
