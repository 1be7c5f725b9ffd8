/** Judging an entry's versions: who signed, whether they could at this place, and whether the chain is whole. */
import { equalBytes } from '#host/wire/bytes.ts'

import type { Finding, FindingCode } from './finding.ts'
import type { EntryId, Hash } from './ids.ts'
import type { Device, Directory, DirectoryHead, EntryHead, SealedParts, SignedPrune, SignedVersion } from './model.ts'
import type { EntryCrypto } from './port.ts'
import { verifyPrune } from './prune.ts'
import { hashSealed } from './sealed.ts'
import { ulidText } from './ulid.ts'
import { verifyVersion } from './version.ts'

/** The list of heads that a revocation names, by hexadecimal entry id; undefined when it is not at hand. */
export type HeadsLookup = (heads: Hash) => ReadonlyMap<string, EntryHead> | undefined

export interface ChainInput {
  readonly entry: EntryId
  /** The entry's owner's. */
  readonly directory: Directory
  /** In the order served, at least one. The first may be any when `prune` and `known` are null. */
  readonly versions: readonly SignedVersion[]
  readonly prune: SignedPrune | null
  /** Where this entry was before: the versions must contain it, or follow it. */
  readonly known: EntryHead | null
  readonly heads: HeadsLookup
  /** Whether a version's signature was verified before. */
  readonly isVerified?: (version: SignedVersion) => boolean
}

/** Everything wrong with the versions of one entry; nothing when they are what its owner's devices wrote. */
export function judgeChain(crypto: EntryCrypto, input: ChainInput): Finding[] {
  const { entry, directory, versions, isVerified } = input
  const found = judgeOrder(input)
  for (const [index, version] of versions.entries()) {
    const { header } = version
    if (!equalBytes(header.entry, entry) || !equalBytes(header.user, directory.user)) {
      found.push(finding('version-foreign', entry, `version ${header.seq} was written for another entry or user`))
      continue
    }
    const signer = directory.devices.get(header.by.toHex())
    if (
      signer !== undefined &&
      isVerified?.(version) !== true &&
      !verifyVersion(crypto, version, signer.keys.signing)
    ) {
      found.push(finding('version-forged', entry, `version ${header.seq} is not signed by the device it names`))
      continue
    }
    found.push(...judgeSigner(input, version, versions[index - 1]))
  }
  return [...found, ...judgePrune(crypto, input), ...judgePlaces(input)]
}

/** Whether the sealed parts are those that were signed. A part that was not asked for may be absent. */
export function judgeParts(crypto: EntryCrypto, { header }: SignedVersion, parts: SealedParts): Finding[] {
  const found: Finding[] = []
  for (const part of ['outline', 'content'] as const) {
    const sealed = parts[part]
    const signed = header[part]
    const isRight = sealed === null || (signed !== null && equalBytes(hashSealed(crypto, sealed), signed))
    if (!isRight)
      found.push(finding(`${part}-altered`, header.entry, `version ${header.seq}: ${part} is not the signed one`))
  }
  return found
}

export function finding(code: FindingCode, entry: EntryId | null, message: string): Finding {
  return { code, entry, message: entry === null ? message : `entry ${ulidText(entry)}: ${message}` }
}

function judgeOrder({ entry, versions, known, prune }: ChainInput): Finding[] {
  const seqs = versions.map(({ header }) => header.seq)
  const sorted = seqs.toSorted((a, b) => a - b)
  const last = sorted.at(-1) ?? 0
  if (known !== null && last < known.seq) {
    return [finding('entry-rolled-back', entry, `version ${last} is served, ${known.seq} was seen before`)]
  }
  if (sorted.some((seq, index) => index > 0 && seq !== (sorted[index - 1] as number) + 1)) {
    return [finding('version-dropped', entry, `versions ${seqs.join(', ')} are not in a row`)]
  }
  if (seqs.some((seq, index) => seq !== sorted[index])) {
    return [finding('version-reordered', entry, `versions ${seqs.join(', ')} are not in their order`)]
  }
  const broken = versions.some(({ header }, index) => {
    const before = versions[index - 1]
    return before !== undefined && (header.prev === null || !equalBytes(header.prev, before.hash))
  })
  if (broken) return [finding('entry-forked', entry, 'a version does not follow the one before it')]
  return known === null ? [] : judgeKnown({ entry, versions, known, prune, first: sorted[0] ?? 0 })
}

/** What is between was dropped, unless a device's word is there that it may be forgotten: that is judged by itself. */
function judgeKnown(input: {
  readonly entry: EntryId
  readonly versions: readonly SignedVersion[]
  readonly known: EntryHead
  readonly prune: SignedPrune | null
  readonly first: number
}): Finding[] {
  const { entry, versions, known, prune, first } = input
  if (first > known.seq + 1 && prune !== null) return []
  if (first > known.seq + 1) {
    return [finding('version-dropped', entry, `versions ${known.seq + 1} to ${first - 1} are missing`)]
  }
  const same = versions.find(({ header }) => header.seq === known.seq)
  const hash = same?.hash ?? versions[0]?.header.prev
  const isSame = hash !== null && hash !== undefined && equalBytes(hash, known.hash)
  return isSame ? [] : [finding('entry-forked', entry, `version ${known.seq} is another than was seen before`)]
}

/** Whether whoever signed could sign at this place of the chain. */
function judgeSigner(input: ChainInput, { header, hash }: SignedVersion, before: SignedVersion | undefined): Finding[] {
  const { directory, entry } = input
  const behind = judgeDirectoryHead(directory, header.directory, entry)
  if (behind !== undefined) return [behind]
  const signer = directory.devices.get(header.by.toHex())
  if (signer === undefined || signer.since > header.directory.seq) {
    return [finding('signer-unknown', entry, `version ${header.seq}: nobody vouches for the device that signed it`)]
  }
  if (signer.role === 'vault') {
    return [finding('signer-not-allowed', entry, `version ${header.seq}: the vault's own device writes no versions`)]
  }
  if (signer.expires !== null && header.at > signer.expires) {
    return [finding('signer-expired', entry, `version ${header.seq}: its device's time was over`)]
  }
  const seen = Math.max(header.directory.seq, before?.header.directory.seq ?? 0)
  const code = afterEnd(input, { signer, seen, seq: header.seq, hash })
  if (code === undefined) return []
  const why = code === 'signer-unplaced' ? 'where its device ended is not at hand' : 'its device had been revoked'
  return [finding(code, entry, `version ${header.seq}: ${why}`)]
}

/** Whether a version by a device that was revoked came after its end. */
function afterEnd(
  { entry, heads }: Pick<ChainInput, 'entry' | 'heads'>,
  {
    signer,
    seen,
    seq,
    hash,
  }: { readonly signer: Device; readonly seen: number; readonly seq: number; readonly hash: Hash },
): 'signer-revoked' | 'signer-unplaced' | undefined {
  const { revocation } = signer
  if (revocation === null) return undefined
  if (seen >= revocation.seq) return 'signer-revoked'
  const places = heads(revocation.heads)
  if (places === undefined) return 'signer-unplaced'
  const place = places.get(entry.toHex())
  if (place === undefined || seq > place.seq) return 'signer-revoked'
  return seq === place.seq && !equalBytes(hash, place.hash) ? 'signer-revoked' : undefined
}

/** A writer knew more of the directory than is served here, or another one. */
function judgeDirectoryHead(directory: Directory, known: DirectoryHead, entry: EntryId): Finding | undefined {
  const hash = directory.hashes[known.seq]
  if (hash === undefined) {
    const message = `its writer knew statement ${known.seq} of the directory, ${directory.head.seq} is the last served`
    return finding('revocation-hidden', entry, message)
  }
  if (equalBytes(hash, known.hash)) return undefined
  return finding('directory-forked', entry, `its writer knew another directory from statement ${known.seq} on`)
}

function judgePrune(crypto: EntryCrypto, input: ChainInput): Finding[] {
  const { prune: signed, entry, directory, versions, heads } = input
  if (signed === null) return []
  const { prune } = signed
  const first = versions[0]
  const signer = directory.devices.get(prune.by.toHex())
  const isHere = equalBytes(prune.entry, entry) && equalBytes(prune.user, directory.user)
  const isJoined =
    first?.header.seq === prune.upTo.seq + 1 &&
    first.header.prev !== null &&
    equalBytes(first.header.prev, prune.upTo.hash)
  if (!isHere || !isJoined || signer?.role !== 'device' || !verifyPrune(crypto, signed, signer.keys.signing)) {
    return [finding('prune-invalid', entry, 'the command to forget versions is not for these, or not signed')]
  }
  const behind = judgeDirectoryHead(directory, prune.directory, entry)
  if (behind !== undefined) return [behind]
  const place = { signer, seen: prune.directory.seq, seq: prune.upTo.seq, hash: prune.upTo.hash }
  const isAfter = signer.since > prune.directory.seq || afterEnd({ entry, heads }, place) !== undefined
  return isAfter
    ? [finding('prune-invalid', entry, 'the command to forget versions is by a device that had ended')]
    : []
}

/** Every revocation is also a witness of where the entry was at that time. */
function judgePlaces({ entry, directory, versions, heads }: ChainInput): Finding[] {
  const last = versions.at(-1)
  if (last === undefined) return []
  for (const { revocation } of directory.devices.values()) {
    const place = revocation === null ? undefined : heads(revocation.heads)?.get(entry.toHex())
    if (place === undefined) continue
    if (last.header.seq < place.seq) {
      return [
        finding('entry-rolled-back', entry, `version ${last.header.seq} is served, ${place.seq} was current before`),
      ]
    }
    const same = versions.find(({ header }) => header.seq === place.seq)
    if (same !== undefined && !equalBytes(same.hash, place.hash)) {
      return [finding('entry-forked', entry, `version ${place.seq} is another than when a device was revoked`)]
    }
  }
  return []
}
