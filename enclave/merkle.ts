/** The Merkle tree of RFC 9162 §2.1, with SHA-384: a root over a list, and short proofs that an entry is in it. */
import type { Sha384 } from '#host/crypto/evidence-port.ts'
import { equalBytes } from '#host/wire/bytes.ts'

/** An entry of a list whose root is known. */
export interface Inclusion {
  /** The entry, as it was hashed into the tree. */
  readonly entry: Uint8Array
  readonly index: number
  /** Entries of the whole list: the shape of its tree. Lists of other sizes may have the same path to an entry. */
  readonly size: number
  /** Hashes from the entry's neighbour up, 48 bytes each. */
  readonly path: readonly Uint8Array[]
}

/** A list as others know it. */
export interface Tree {
  readonly size: number
  /** 48 bytes. */
  readonly root: Uint8Array
}

/** No entry can be read as a node, and no node as an entry. */
const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

/** 48 bytes; of an empty list the hash of nothing. */
export function treeRoot(crypto: Sha384, entries: readonly Uint8Array[]): Uint8Array {
  const [first] = entries
  if (first === undefined) return crypto.sha384()
  if (entries.length === 1) return crypto.sha384(LEAF, first)
  const split = splitOf(entries.length)
  return crypto.sha384(NODE, treeRoot(crypto, entries.slice(0, split)), treeRoot(crypto, entries.slice(split)))
}

/** That an entry is in the list (§2.1.3.1). @throws Error for an index that is not there */
export function proveInclusion(crypto: Sha384, entries: readonly Uint8Array[], index: number): Inclusion {
  const entry = entries[index]
  if (entry === undefined) throw new Error(`merkle: no entry ${index} of ${entries.length}`)
  return { entry, index, size: entries.length, path: pathOf(crypto, entries, index) }
}

/** Whether the entry is at its index of the list with this root (§2.1.3.2). */
export function isIncluded(crypto: Sha384, { entry, index, size, path }: Inclusion, root: Uint8Array): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false
  const climbed = climb(crypto, { hash: crypto.sha384(LEAF, entry), index, size }, path)
  return climbed !== undefined && equalBytes(climbed, root)
}

/** That a list of `first` entries is how this one began (§2.1.4.1). @throws Error unless it has that many, and one */
export function proveConsistency(crypto: Sha384, entries: readonly Uint8Array[], first: number): readonly Uint8Array[] {
  if (!Number.isSafeInteger(first) || first < 1 || first > entries.length) {
    throw new Error(`merkle: no ${first} of ${entries.length} entries`)
  }
  return subproof(crypto, entries, { first, isWhole: true })
}

/**
 * Whether the list with the second root goes on from the one with the first (§2.1.4.2). Who signed a root, signed its
 * size.
 */
export function isConsistent(
  crypto: Sha384,
  { first, second, path }: { readonly first: Tree; readonly second: Tree; readonly path: readonly Uint8Array[] },
): boolean {
  if (![first.size, second.size].every((size) => Number.isSafeInteger(size) && size > 0)) return false
  if (first.size > second.size) return false
  const roots = regrow(crypto, { first: first.size, size: second.size, isWhole: true }, { path, known: first.root })
  return roots !== undefined && equalBytes(roots.first, first.root) && equalBytes(roots.second, second.root)
}

function subproof(
  crypto: Sha384,
  entries: readonly Uint8Array[],
  { first, isWhole }: { first: number; isWhole: boolean },
): readonly Uint8Array[] {
  if (first === entries.length) return isWhole ? [] : [treeRoot(crypto, entries)]
  const split = splitOf(entries.length)
  const [left, right] = [entries.slice(0, split), entries.slice(split)]
  if (first <= split) return [...subproof(crypto, left, { first, isWhole }), treeRoot(crypto, right)]
  return [...subproof(crypto, right, { first: first - split, isWhole: false }), treeRoot(crypto, left)]
}

/** Both roots, as the path makes them; undefined for a path of another length. */
function regrow(
  crypto: Sha384,
  { first, size, isWhole }: { first: number; size: number; isWhole: boolean },
  { path, known }: { path: readonly Uint8Array[]; known: Uint8Array },
): { first: Uint8Array; second: Uint8Array } | undefined {
  if (first === size) {
    // What the first list holds whole is its root itself, which whoever asks knows.
    const [only] = isWhole ? [known] : path
    return only !== undefined && path.length === (isWhole ? 0 : 1) ? { first: only, second: only } : undefined
  }
  const sibling = path.at(-1)
  if (sibling === undefined) return undefined
  const rest = { path: path.slice(0, -1), known }
  const split = splitOf(size)
  if (first <= split) {
    const below = regrow(crypto, { first, size: split, isWhole }, rest)
    return below && { first: below.first, second: crypto.sha384(NODE, below.second, sibling) }
  }
  const below = regrow(crypto, { first: first - split, size: size - split, isWhole: false }, rest)
  return (
    below && { first: crypto.sha384(NODE, sibling, below.first), second: crypto.sha384(NODE, sibling, below.second) }
  )
}

/** From the top of the tree down to the entry, then hashing on the way back; undefined for a path of another length. */
function climb(
  crypto: Sha384,
  { hash, index, size }: { hash: Uint8Array; index: number; size: number },
  path: readonly Uint8Array[],
): Uint8Array | undefined {
  if (size === 1) return path.length === 0 ? hash : undefined
  const sibling = path.at(-1)
  if (sibling === undefined) return undefined
  const split = splitOf(size)
  const isLeft = index < split
  const below = isLeft ? { hash, index, size: split } : { hash, index: index - split, size: size - split }
  const node = climb(crypto, below, path.slice(0, -1))
  if (node === undefined) return undefined
  return isLeft ? crypto.sha384(NODE, node, sibling) : crypto.sha384(NODE, sibling, node)
}

function pathOf(crypto: Sha384, entries: readonly Uint8Array[], index: number): readonly Uint8Array[] {
  if (entries.length === 1) return []
  const split = splitOf(entries.length)
  const [left, right] = [entries.slice(0, split), entries.slice(split)]
  return index < split
    ? [...pathOf(crypto, left, index), treeRoot(crypto, right)]
    : [...pathOf(crypto, right, index - split), treeRoot(crypto, left)]
}

/** The largest power of two below a size of two or more. */
function splitOf(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}
