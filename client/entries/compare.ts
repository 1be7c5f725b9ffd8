/**
 * Two devices of one user side by side: a host that shows each another view is found by nothing else. They exchange
 * what they saw by a channel that the host is not: a code on a screen, or a call.
 */
import type { Finding } from '#host/entries/finding.ts'
import { readFields } from '#host/entries/fields.ts'
import { decodeHeads, encodeHeads } from '#host/entries/heads.ts'
import { type EntryId, type Hash, HASH_BYTES, parseHash, parseUserId, type UserId } from '#host/entries/ids.ts'
import { finding } from '#host/entries/judge.ts'
import { HEADS_MAX, STATEMENTS_MAX } from '#host/entries/limits.ts'
import type { DirectoryHead, EntryHead, ServedEntry } from '#host/entries/model.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { encodeCbor } from '#host/wire/cbor.ts'

import { MEMORY_BYTES_MAX } from './limits.ts'
import { examine } from './reading.ts'
import { type BookState, directoryOf } from './state.ts'

const FORMAT = 1
const FINGERPRINT_BYTES = 10
const kind = { what: 'view', code: 'entry-invalid', bytesMax: MEMORY_BYTES_MAX, itemsMax: 8 } as const

/** What one device saw of its user: no secret. */
export interface View {
  readonly user: UserId
  readonly directory: DirectoryHead
  readonly entries: readonly EntryHead[]
}

export interface Comparison {
  readonly findings: readonly Finding[]
  /** One device saw more than the other: `settle` with what a host serves tells whether they are of one history. */
  readonly unsettled: readonly EntryId[]
}

export interface ComparingBook {
  view(): View
  /** 20 hexadecimal digits: the same on two devices that saw the same. */
  fingerprint(): string
  compareHeads(theirs: View): Comparison
  /** Whether what a host serves here contains what the other device saw. */
  settle(served: ServedEntry, theirs: EntryHead): readonly Finding[]
}

export function encodeView({ user, directory, entries }: View): Uint8Array {
  return encodeCbor([FORMAT, user, directory.seq, directory.hash, encodeHeads(entries)])
}

/** @throws Refusal `entry-invalid` */
export function decodeView(bytes: Uint8Array): View {
  const fields = readFields(kind, bytes)
  fields.literal('format', FORMAT)
  const user = parseUserId(fields.bytes('user', HASH_BYTES))
  const seq = fields.uint('directory seq', STATEMENTS_MAX)
  const hash: Hash = parseHash(fields.bytes('hash', HASH_BYTES))
  const entries = decodeHeads(fields.bytesUpTo('entries', HEADS_MAX * 52))
  fields.end()
  return { user, directory: { seq, hash }, entries }
}

export function comparingBook(state: BookState): ComparingBook {
  function view(): View {
    const { user } = state
    const own = [...state.entries.values()].filter(({ owner }) => equalBytes(owner, user))
    return { user, directory: directoryOf(state, user).head, entries: own }
  }
  return {
    view,
    fingerprint: () =>
      state.crypto
        .digest(encodeView(view()))
        .toHex()
        .slice(0, 2 * FINGERPRINT_BYTES),
    compareHeads: (theirs) => compareHeads(state, view(), theirs),
    settle(served, theirs) {
      const { findings } = examine(state, { owner: state.user, served, known: theirs })
      return findings.map(({ code, entry, message }) => {
        const isSplit = code === 'entry-forked' || code === 'entry-rolled-back'
        return { code: isSplit ? 'view-split' : code, entry, message }
      })
    },
  }
}

function compareHeads(state: BookState, mine: View, theirs: View): Comparison {
  if (!equalBytes(mine.user, theirs.user)) throw new Refusal('entry-invalid', 'view: of another user')
  const findings: Finding[] = []
  const { hashes, head } = directoryOf(state, state.user)
  const same = hashes[theirs.directory.seq]
  if (same !== undefined && !equalBytes(same, theirs.directory.hash)) {
    findings.push(finding('view-split', null, `directory: statement ${theirs.directory.seq} is another on each device`))
  } else if (same === undefined) {
    const message = `directory: the other device was shown statement ${theirs.directory.seq}, this one ${head.seq}`
    findings.push(finding('revocation-hidden', null, message))
  }
  const unsettled: EntryId[] = []
  const here = new Map(mine.entries.map((one) => [one.entry.toHex(), one]))
  for (const there of theirs.entries) {
    const known = here.get(there.entry.toHex())
    here.delete(there.entry.toHex())
    if (known?.seq !== there.seq) unsettled.push(there.entry)
    else if (!equalBytes(known.hash, there.hash)) {
      findings.push(finding('view-split', there.entry, `version ${there.seq} is another on each device`))
    }
  }
  return { findings, unsettled: [...unsettled, ...[...here.values()].map(({ entry }) => entry)] }
}
