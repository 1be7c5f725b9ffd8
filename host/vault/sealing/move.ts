/**
 * A vault's move from code A to code B, as A decides it, and what B asks of it. Pure: a move is what the header of A
 * says.
 *
 *     none ──approve──▶ approved ──hand over──▶ handed ──B confirms──▶ A has no seat
 *       ▲                  │                       │
 *       └────── abandon ───┴───────────────────────┘
 *
 * From `approved` on A does not run the vault. Nothing leads back from a confirmed B: it writes the file without A.
 */
import { type Approval, verifyApproval } from '#host/contracts/approval.ts'
import type { MoveOffer } from '#host/contracts/provisioning.ts'
import type { Enclave, Release } from '#host/crypto/enclave.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { Refusal } from '#host/errors.ts'
import type { Move } from '#host/storage/protected.ts'
import { equalBytes } from '#host/wire/bytes.ts'

/** What the owner signed, and the verify key of the device that did. */
export type Approved = Pick<Move, 'approval' | 'device'>

export interface MoveFacts {
  readonly vault: string
  readonly enclave: Pick<Enclave, 'measurement' | 'release'>
  /** What the owner was asked, if they were. */
  readonly offer: MoveOffer | undefined
  /** What the release log says of where an approval leads. */
  readonly releaseOf: (to: Uint8Array) => Release | undefined
  readonly move: Move | null
}

/** The move that an approval begins. @throws Refusal `move-refused` */
export function approve(approved: Approved, facts: MoveFacts): Move {
  const { vault, enclave, offer, releaseOf, move } = facts
  const approval = verifyApproval(nativeCrypto, approved.approval, approved.device)
  if (move) throw refused('another move is under way: finish or abandon it first')
  checkWay(approval, { vault, from: enclave.measurement })
  if (!offer || !equalBytes(offer.request, approval.request)) {
    throw refused('the approval answers no open question: ask again and approve that')
  }
  const isOffered =
    equalBytes(offer.to, approval.to) && offer.release === approval.release && offer.serial === approval.serial
  if (!isOffered) throw refused('the approval is for another image than was offered')
  const release = releaseOf(approval.to)
  if (!release || release.id !== approval.release || release.serial !== approval.serial) {
    throw refused('the release log does not list that image as active')
  }
  if (approval.serial <= enclave.release.serial) throw refused('a vault moves forward only: that release is not newer')
  const { request, to, serial } = approval
  return { phase: 'approved', request, to, release: approval.release, serial, ...approved }
}

/** The successor has its seat. @throws Refusal `move-refused` when no move was approved */
export function handOver(move: Move | null): Move {
  if (!move) throw refused('no move was approved')
  return { ...move, phase: 'handed' }
}

/** Back to A. @throws Refusal `move-refused` when there is nothing to abandon */
export function abandon(move: Move | null): null {
  if (!move) throw refused('no move is under way')
  return null
}

/** What comes to B, from whom, by which approval. */
export interface ArrivalFacts {
  readonly vault: string
  /** The code whose evidence came with it. */
  readonly from: Uint8Array
  /** Of the newest release that has run the vault. */
  readonly serial: number
  readonly enclave: Pick<Enclave, 'measurement' | 'release'>
  /** Whether it is a device of the vault. */
  readonly isUnlocker: (device: Uint8Array) => boolean
}

/** B takes a vault only by its owner's word, and forward only. @throws Refusal `move-refused` */
export function arrive(approved: Approved, { vault, from, serial, enclave, isUnlocker }: ArrivalFacts): void {
  const approval = verifyApproval(nativeCrypto, approved.approval, approved.device)
  if (!isUnlocker(approved.device)) throw refused('no device of the vault approved it')
  checkWay(approval, { vault, from })
  if (!equalBytes(approval.to, enclave.measurement)) throw refused('the approval is for other code than runs here')
  if (serial >= enclave.release.serial) throw refused('this image is not newer than the one that hands over')
}

function checkWay(approval: Approval, { vault, from }: { readonly vault: string; readonly from: Uint8Array }): void {
  if (approval.vault !== vault) throw refused('the approval is for another vault')
  if (!equalBytes(approval.from, from)) throw refused('the approval is from other code than hands over')
}

export function refused(why: string): Refusal {
  return new Refusal('move-refused', `move: ${why}`)
}
