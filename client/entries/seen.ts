/**
 * What was judged once is not judged again while all that it was judged by is the same: the very header, the directory,
 * and the lists that revocations name. A list that is drawn again costs a hash and a look for each entry.
 */
import type { Outline, ServedEntry, SignedVersion } from '#host/entries/model.ts'
import type { UserId } from '#host/entries/ids.ts'
import { contentHash } from '#host/entries/version.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { CONTENTS_KEPT_BYTES_MAX, CONTENTS_KEPT_MAX, OUTLINES_KEPT_MAX, VERIFIED_MAX } from './limits.ts'
import { type BookState, directoryOf, keep, type SeenVersion } from './state.ts'

/** What versions of an owner are judged by now. */
export function standing(state: BookState, owner: UserId): string {
  const { user, head } = directoryOf(state, owner)
  return `${user.toHex()} ${head.seq} ${head.hash.toHex()} ${state.places.size}`
}

/** The current version of an entry when it is the very one that was judged right before, alone. */
export function seenBefore(state: BookState, served: ServedEntry, by: string): SeenVersion | undefined {
  const [version] = served.versions
  const known = state.entries.get(served.entry.toHex())
  if (known === undefined || version === undefined || served.versions.length !== 1) return undefined
  const seen = state.seen.get(known.hash.toHex())
  if (seen?.by !== by) return undefined
  return equalBytes(contentHash(state.crypto, version.header), known.hash) ? seen : undefined
}

export function markSeen(
  state: BookState,
  by: string,
  { version, outline }: { readonly version: SignedVersion; readonly outline: Outline | null },
): void {
  keep(state.seen, { key: version.hash.toHex(), value: { version, outline, by }, max: OUTLINES_KEPT_MAX })
}

/** By the hexadecimal hash of a version whose signature was verified. */
export function markVerified({ verified }: BookState, hash: string): void {
  if (verified.size >= VERIFIED_MAX) verified.clear()
  verified.add(hash)
}

/** Whether this very version was the current one that a book of this device remembered: it was verified by then. */
export function isRemembered(state: BookState, { header, hash }: SignedVersion): boolean {
  const known = state.entries.get(header.entry.toHex())
  return known !== undefined && equalBytes(known.hash, hash)
}

/** A copy of content, for the caller; what is kept is wiped when it goes. */
export function keptContent(state: BookState, version: SignedVersion, open: () => Uint8Array | null) {
  const key = version.hash.toHex()
  const known = state.contents.get(key)
  if (known !== undefined) return known.slice()
  const content = open()
  if (content === null || content.length > CONTENTS_KEPT_BYTES_MAX / CONTENTS_KEPT_MAX) return content
  state.contents.set(key, content.slice())
  if (state.contents.size > CONTENTS_KEPT_MAX) dropOldest(state)
  return content
}

function dropOldest({ contents }: BookState): void {
  for (const [key, content] of contents) {
    content.fill(0)
    contents.delete(key)
    return
  }
}

/** Wipes all contents. */
export function dropContents({ contents }: BookState): void {
  for (const content of contents.values()) content.fill(0)
  contents.clear()
}
