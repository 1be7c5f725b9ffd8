/**
 * Anchors: with each answer an owner's device learns how far its vault was, and shows that when it pairs again. A host
 * that was given an older copy of everything cannot tell by itself; the devices can, and then it can.
 */
import { Refusal } from '#host/errors.ts'
import { ANCHORS_KEPT } from '#host/storage/limits.ts'
import type { Anchor, Change } from '#host/storage/port.ts'
import { bytesOf, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import type { Device } from './party.ts'
import { decodeRecord, encodeRecord } from './records.ts'
import type { Vault } from './vault.ts'

const BEHIND = 'behind'
const count = z.number().int().min(0)
export const anchorSchema = z.strictObject({ sequence: count, chain: bytesOf(32), epoch: count })

/** The newest anchor for a device, and the change that remembers that it was given. */
export function newestAnchor(vault: Vault, device: Device): { readonly anchor: Cbor; readonly changes: Change[] } {
  const { sequence, chain, epoch } = vault.store.head
  const anchor = { sequence, chain, epoch }
  const given = givenTo(vault, device)
  if (given.at(-1)?.sequence === sequence) return { anchor, changes: [] }
  const value = encodeRecord('anchors', [...given, anchor].slice(-ANCHORS_KEPT))
  return { anchor, changes: [{ namespace: 'system', key: keyOf(device), value }] }
}

/** Whether what a device remembers is no part of this vault's past: an older or another copy is in its place. */
export function isBehind(vault: Vault, device: Device, anchor: Anchor): boolean {
  const { head } = vault.store
  if (anchor.sequence > head.sequence || anchor.epoch > head.epoch) return true
  const given = givenTo(vault, device)
  const known = [...given, head].find(({ sequence }) => sequence === anchor.sequence)
  if (known) return !equalBytes(known.chain, anchor.chain)
  // It was remembered in the very commit that handed it out: that commit is gone, unless it is longer ago than we know.
  return given.some(({ sequence }) => sequence < anchor.sequence)
}

/** Which device found this vault to be an older or another copy, if one did: nothing is served until that is undone. */
export function foundBehind({ system }: Pick<Vault, 'system'>): string | undefined {
  const item = system.get(BEHIND)
  return item && new TextDecoder().decode(item.value)
}

/** @throws Refusal `journal-behind` while a device has found this vault to be an older or another copy */
export function checkNotBehind(vault: Pick<Vault, 'system'>): void {
  if (foundBehind(vault) === undefined) return
  throw new Refusal('journal-behind', 'this vault was put back to an older copy: its owner has to look after it first')
}

/** What remembers that a device found it so, or that this device was told of the owner's own restore. */
export function behindChange(device: Device | null): Change {
  return { namespace: 'system', key: BEHIND, value: device && new TextEncoder().encode(device.id) }
}

function givenTo({ system }: Vault, device: Device): readonly Anchor[] {
  const item = system.get(keyOf(device))
  return item ? decodeRecord('anchors', item.value) : []
}

function keyOf({ id }: Device): string {
  return `anchor/${id}`
}
