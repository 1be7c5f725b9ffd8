/**
 * A provider's release log: hash-chained, signed, append-only. Serials and release numbers rise, so that a reader of a
 * part of it knows what is missing; a device that remembers its size and root knows when it was told another story.
 */
import type { EvidenceCrypto } from '#host/crypto/evidence-port.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { Rejection } from './errors.ts'
import { RELEASE_LOG_BYTES_MAX, REGISTER_BYTES } from './limits.ts'
import { isConsistent, proveConsistency, proveInclusion, type Tree, treeRoot } from './merkle.ts'
import { type Released, type ReleaseEntry, type Revocation, verifyLine } from './release-entry.ts'

/** A log that was read whole and verified. */
export interface ReleaseLog {
  readonly entries: readonly ReleaseEntry[]
  /** What a device remembers: how long it was, and the root (RFC 9162) over its lines. */
  readonly tree: Tree
  /** SHA-384 of the last line: what the next one names. */
  readonly head: Uint8Array
  /** The release of this measurement (48 bytes), unless it was withdrawn or there is none. */
  find(measurement: Uint8Array): Released | undefined
  readonly revocations: readonly Revocation[]
  /** That this log goes on from one of that size. */
  prove(size: number): readonly Uint8Array[]
  /** The line of an image (by its root), unless withdrawn, and what shows it to somebody who knew the log so long. */
  show(root: Uint8Array, knownSize: number): Listed | undefined
}

/** A line of a log, for whoever does not have the log. */
export interface Listed {
  readonly line: Uint8Array
  readonly index: number
  readonly tree: Tree
  /** From the line to the root. */
  readonly path: readonly Uint8Array[]
  /** That the tree goes on from the one that was known; empty when none was, or a longer one. */
  readonly since: readonly Uint8Array[]
}

const LINE_END = 10

/**
 * Reads a log: a signed entry in each line.
 *
 * @param keys the provider's keys, Ed25519 in hex
 * @throws Rejection `release-malformed`, `release-unsigned`; `release-order` for a line that is not the next one
 */
export function readReleaseLog(crypto: EvidenceCrypto, bytes: Uint8Array, keys: readonly string[]): ReleaseLog {
  const lines = linesOf(bytes)
  const entries: ReleaseEntry[] = []
  let head: Uint8Array = new Uint8Array(REGISTER_BYTES)
  let newest = 0
  for (const line of lines) {
    const entry = verifyLine(crypto, line, keys)
    const place = `release log: entry ${entry.serial}`
    if (entry.serial !== entries.length + 1) throw misplaced(`${place} stands at ${entries.length + 1}`)
    if (!equalBytes(Uint8Array.fromHex(entry.previous), head))
      throw misplaced(`${place} does not follow the one before`)
    if (entry.kind === 'release') {
      if (entry.release <= newest) throw misplaced(`${place} releases ${entry.release} after ${newest}`)
      newest = entry.release
    }
    if (entry.kind === 'retire' && !entries.some((one) => one.kind === 'release' && one.release === entry.release)) {
      throw misplaced(`${place} withdraws ${entry.release}, which was never released`)
    }
    entries.push(entry)
    head = crypto.sha384(line)
  }
  const retired = new Set(entries.flatMap((entry) => (entry.kind === 'retire' ? [entry.release] : [])))
  const tree = { size: lines.length, root: treeRoot(crypto, lines) }
  const active = entries.filter((entry) => entry.kind === 'release').filter(({ release }) => !retired.has(release))
  return {
    entries,
    tree,
    head,
    find: (measurement) => active.find(({ measurements }) => measurements.includes(measurement.toHex())),
    show(root, knownSize) {
      const found = active.find((entry) => entry.root === root.toHex())
      if (!found) return undefined
      const { entry: line, index, path } = proveInclusion(crypto, lines, found.serial - 1)
      const since = knownSize > 0 && knownSize <= lines.length ? proveConsistency(crypto, lines, knownSize) : []
      return { line, index, tree, path, since }
    },
    revocations: entries.filter((entry) => entry.kind === 'revoke'),
    prove: (size) => proveConsistency(crypto, lines, size),
  }
}

/**
 * Follows a log from what was remembered of it.
 *
 * @returns what to remember now
 * @throws Rejection `log-behind` for one that got shorter, `log-forked` for one that tells another story
 */
export function followLog(
  crypto: EvidenceCrypto,
  remembered: Tree | undefined,
  { tree, path }: { readonly tree: Tree; readonly path: readonly Uint8Array[] },
): Tree {
  if (remembered === undefined) return tree
  if (tree.size < remembered.size) {
    throw new Rejection('log-behind', `release log: has ${tree.size} entries, ${remembered.size} were seen`)
  }
  if (isConsistent(crypto, { first: remembered, second: tree, path })) return tree
  throw new Rejection('log-forked', `release log: is not the one that had ${remembered.size} entries`)
}

function linesOf(bytes: Uint8Array): readonly Uint8Array[] {
  if (bytes.length > RELEASE_LOG_BYTES_MAX) {
    throw new Rejection('release-malformed', `release log: ${bytes.length} bytes, at most ${RELEASE_LOG_BYTES_MAX}`)
  }
  const lines: Uint8Array[] = []
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(LINE_END, start)
    if (end < 0) throw new Rejection('release-malformed', 'release log: its last line has no end')
    lines.push(bytes.subarray(start, end))
    start = end + 1
  }
  return lines
}

function misplaced(what: string): Rejection {
  return new Rejection('release-order', what)
}
