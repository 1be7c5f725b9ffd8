/**
 * What an owner's device has an enclave do with one vault: protect it, unlock it, lock it, move it on, abandon the
 * move. Every order that says the secret is counted, durably, before the secret is looked at.
 */
import type { MoveOffer, Order } from '#host/contracts/provisioning.ts'
import type { Enclave, Releases } from '#host/crypto/enclave.ts'
import { digest } from '#host/crypto/kdf.ts'
import { PIN_SALT_BYTES } from '#host/crypto/pin.ts'
import { Refusal } from '#host/errors.ts'
import { keyContext } from '#host/storage/key-file.ts'
import { KEY_BYTES, wrapKey } from '#host/storage/keys.ts'
import type { Anchor, Change, Sealer } from '#host/storage/port.ts'
import {
  encodeProtected,
  type Header,
  isProtected,
  ownerInput,
  type ProtectedRecord,
  seatOf,
  sealHeader,
  unwrapRoot,
  wrapRoot,
} from '#host/storage/protected.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import type { VaultId } from '#host/wire/id.ts'
import { commit } from '../commit.ts'
import { dueErasure } from '../erasure.ts'
import { counted } from '../factor.ts'
import { row } from '../rows.ts'
import type { Vault } from '../vault.ts'
import type { Found, Guard } from './guard.ts'
import { abandon, approve, handOver, refused } from './move.ts'
import { giveTo, type Successor } from './succession.ts'

/** What orders work with. */
export interface Workshop {
  readonly guard: Guard
  readonly enclave: Enclave
  readonly sealer: Sealer
  readonly releases: Releases
  /** The next image, if it waits beside this one now. */
  readonly successor: () => Promise<Successor | undefined>
  readonly now: () => number
  readonly random: (length: number) => Uint8Array
  /** The vault, opened now if need be. */
  readonly find: (id: VaultId) => Promise<Vault | undefined>
  /** Closes it as it is: whoever asks for it next opens it anew. */
  readonly drop: (id: VaultId) => Promise<void>
  /** The open question of a move, and that it was answered. */
  readonly offerOf: (id: VaultId) => MoveOffer | undefined
  readonly endOffer: (id: VaultId) => void
  /** Some vault has its seat with the successor, by its owner's word of now. */
  readonly handed: () => void
}

/** One order of a known device. */
export interface Ordered {
  readonly id: VaultId
  readonly order: Order
  /** The verify key that signed it. */
  readonly device: Uint8Array
}

/** What the device is told when it is done. */
export interface Done {
  readonly header: number
  readonly anchor: Anchor | null
}

export function carryOut(ordered: Ordered, shop: Workshop): Promise<Done> {
  switch (ordered.order.act) {
    case 'protect':
      return protect(ordered, shop)
    case 'unlock':
      return unlock(ordered, shop)
    case 'lock':
      return lock(ordered, shop)
    case 'move':
      return move(ordered, shop)
    case 'abandon':
      return goBack(ordered, shop)
  }
}

/** Moves a vault's keys from the installation's key file to its owner and this enclave. */
async function protect({ id, order, device }: Ordered, shop: Workshop): Promise<Done> {
  const { guard, enclave, sealer, random } = shop
  const bytes = await guard.slots.read(id)
  if (!bytes) throw new Refusal('vault-unknown', 'this host does not have that vault')
  if (isProtected(bytes)) throw new Refusal('provision-invalid', 'this vault is protected already')
  const vault = await known(await opened(shop, id), device, order.anchor)
  const fresh = { pepper: random(KEY_BYTES), salt: order.pin === null ? null : random(PIN_SALT_BYTES), epoch: 1 }
  const header: Header = { ...fresh, ...standing(vault, shop), seq: 1, renew: true, move: null, from: null }
  const sealed = sealHeader(enclave, id, header)
  const { root, wrapped } = await newRoot({ id, order, header }, shop)
  const held = { root: wrapKey(root), header: sealed }
  await guard.slots.update(id, (current) => {
    // A renewal may have come in between: what is protected is what is kept now.
    const keys = sealer.open(current, keyContext(id))
    const inside = guard.sealerOf(held.root).seal(keys, keyContext(id))
    keys.fill(0)
    return encodeProtected({
      keys: inside,
      seats: [{ measurement: enclave.measurement, header: sealed, wrapped }],
    })
  })
  guard.hold(id, held)
  await told(vault, shop, { tries: 1, changes: [dueErasure] })
  return { header: header.seq, anchor: vault.store.head }
}

async function unlock(ordered: Ordered, shop: Workshop): Promise<Done> {
  const { id, order, device } = ordered
  const { guard, enclave } = shop
  using entered = await enter(ordered, shop)
  const { found, input } = entered
  if (found.header.move) {
    // The secret was right: what comes of the move is no reason to count this as a try.
    const settled = await guard.write(id, { enclave, found, header: found.header })
    await handTo({ id, found: settled, input, root: entered.root() }, shop)
    shop.handed()
    throw refused('this vault is on its way to another image: unlock it there, or abandon the move')
  }
  guard.hold(id, { root: wrapKey(entered.root()), header: found.seat.header })
  // The device's own: a header is as old as the file it is in. It is looked for in all of the vault's past.
  guard.expect(id, order.anchor ?? found.header.state ?? undefined)
  try {
    if (order.anchor) await shop.drop(id)
    const vault = await known(await opened(shop, id), device, newer(order.anchor, found.header.state))
    const header = { ...found.header, ...standing(vault, shop), renew: false }
    const written = found.header.from
      ? await settleHere({ id, order, found, header }, shop)
      : await guard.write(id, { enclave, found, header })
    const isDue = found.header.renew || found.header.from !== null
    await told(vault, shop, { tries: entered.tries, changes: isDue ? [dueErasure] : [] })
    return { header: written.header.seq, anchor: vault.store.head }
  } catch (error) {
    guard.forget(id)
    await shop.drop(id)
    throw error
  }
}

async function lock({ id, device, order }: Ordered, shop: Workshop): Promise<Done> {
  const found = await mine(id, shop)
  checkDevice(found.header, device)
  checkMinimum(found.header, order)
  shop.guard.forget(id)
  await shop.drop(id)
  return { header: found.header.seq, anchor: null }
}

/** From here on this image does not run the vault, whatever becomes of the rest. */
async function move(ordered: Ordered, shop: Workshop): Promise<Done> {
  const { id, order, device } = ordered
  const { guard, enclave } = shop
  if (!order.approval) throw refused('there is no approval')
  using entered = await enter(ordered, shop)
  const { header } = entered.found
  const releaseOf = (to: Uint8Array) => shop.releases.find(to)
  const facts = { vault: id, enclave, offer: shop.offerOf(id), releaseOf, move: header.move }
  const next = approve({ approval: order.approval, device }, facts)
  const head = guard.isUnlocked(id) ? (await opened(shop, id)).store.head : header.state
  guard.forget(id)
  await shop.drop(id)
  const found = await guard.write(id, { enclave, found: entered.found, header: { ...header, state: head, move: next } })
  shop.endOffer(id)
  const written = await handTo({ id, found, input: entered.input, root: entered.root() }, shop)
  shop.handed()
  return { header: written.header.seq, anchor: head }
}

/** The only way back: before the successor was unlocked. */
async function goBack(ordered: Ordered, shop: Workshop): Promise<Done> {
  const { id } = ordered
  const { guard, enclave } = shop
  using entered = await enter(ordered, shop)
  const { header, seat } = entered.found
  const found = await guard.write(id, {
    enclave,
    found: entered.found,
    header: { ...header, move: abandon(header.move), failures: 0, notBefore: 0 },
    others: (record) => ({
      ...record,
      seats: record.seats.filter((one) => equalBytes(one.measurement, seat.measurement)),
    }),
  })
  return { header: found.header.seq, anchor: header.state }
}

interface Entered extends Disposable {
  readonly found: Found
  /** How many there were since the last right one, this one included. */
  readonly tries: number
  readonly input: Uint8Array
  /** A copy of the root key, for its taker to wipe. */
  root(): Uint8Array
}

/**
 * Checks who says it and what they know, counts the try, and unwraps the root key.
 *
 * @throws Refusal `provision-invalid`, `journal-behind`, `move-refused` for an older release, `secret-wrong`
 */
async function enter({ id, order, device }: Ordered, shop: Workshop): Promise<Entered> {
  const { guard, enclave, now } = shop
  const before = await mine(id, shop)
  checkDevice(before.header, device)
  checkMinimum(before.header, order)
  if (enclave.release.serial < before.header.serial) throw refused('a newer release has run this vault: start that one')
  if (now() < before.header.notBefore) {
    throw new Refusal('secret-wrong', `too many tries: wait until ${new Date(before.header.notBefore).toISOString()}`)
  }
  const found = await guard.write(id, { enclave, found: before, header: counted(before.header, now()) })
  const input = await ownerInput(order, found.header)
  try {
    const place = { vault: id, measurement: enclave.measurement, epoch: found.header.epoch }
    const root = unwrapRoot(found.seat.wrapped, { input, place })
    // The count stays as it was: only what the secret leads to sets it back.
    const header = { ...found.header, failures: 0, notBefore: 0 }
    return {
      found: { ...found, header },
      tries: found.header.failures,
      input,
      root: () => root.slice(),
      [Symbol.dispose]: () => {
        for (const secret of [root, input]) secret.fill(0)
      },
    }
  } catch (error) {
    input.fill(0)
    throw error
  }
}

/** B has the owner's secret: a root key of its own, and A has no seat any more. */
async function settleHere(
  { id, order, found, header }: { id: VaultId; order: Order; found: Found; header: Header },
  shop: Workshop,
): Promise<Found> {
  const { guard, enclave, random } = shop
  const next = { ...header, epoch: header.epoch + 1, pepper: random(KEY_BYTES), from: null, renew: true }
  const { root, wrapped } = await newRoot({ id, order, header: next }, shop)
  const key = wrapKey(root)
  const others = (record: ProtectedRecord): ProtectedRecord => {
    const keys = guard.keysOf(id, record)
    const inside = guard.sealerOf(key).seal(keys, keyContext(id))
    keys.fill(0)
    return { keys: inside, seats: [{ ...seatOf(record, enclave), wrapped }] }
  }
  const written = await guard.write(id, { enclave, found, header: next, others })
  guard.hold(id, { root: key, header: written.seat.header })
  return written
}

/** A's part of the way: the successor gets the header, and its seat stands in the file. */
async function handTo(
  { id, found, input, root }: { id: VaultId; found: Found; input: Uint8Array; root: Uint8Array },
  { guard, enclave, successor, random }: Workshop,
): Promise<Found> {
  const { header } = found
  const { move } = header
  try {
    if (!move || move.phase === 'handed') return found
    const beside = await successor()
    if (!beside) throw refused('the next image does not wait: start it beside this one, or abandon the move')
    const theirs = await giveTo(beside, { vault: id, header, move, enclave, random })
    const { to } = move
    const place = { vault: id, measurement: to, epoch: header.epoch }
    const wrapped = wrapRoot(root, { input, place, random })
    return await guard.write(id, {
      enclave,
      found,
      header: { ...header, move: handOver(move) },
      others: (record) => ({
        ...record,
        seats: [
          ...record.seats.filter((seat) => !equalBytes(seat.measurement, to)),
          { measurement: to, header: theirs, wrapped },
        ],
      }),
    })
  } finally {
    root.fill(0)
  }
}

async function newRoot(
  { id, order, header }: { id: VaultId; order: Order; header: Pick<Header, 'pepper' | 'salt' | 'epoch'> },
  { enclave, random }: Workshop,
): Promise<{ root: Uint8Array; wrapped: Uint8Array }> {
  const root = random(KEY_BYTES)
  const input = await ownerInput(order, header)
  const place = { vault: id, measurement: enclave.measurement, epoch: header.epoch }
  const wrapped = wrapRoot(root, { input, place, random })
  input.fill(0)
  return { root, wrapped }
}

/** The owner was here: a row, and the renewal that makes copies of the file as it was worthless. */
async function told(
  vault: Vault,
  { now, random }: Workshop,
  { tries, changes }: { tries: number; changes: readonly Change[] },
): Promise<void> {
  const at = now()
  const fields = tries > 1 ? [`tries: ${tries}`] : []
  const what = row({ at, who: 'enclave', eventType: 'enclave.provision', result: 'changed', fields })
  await commit({ vault, now: at, random, changes, rows: [what] })
}

/** Facts that a header takes from the open vault. */
function standing(
  vault: Vault,
  { enclave }: Workshop,
): Pick<Header, 'unlockers' | 'state' | 'failures' | 'notBefore' | 'serial'> {
  const active = [...vault.devices.values()].filter((device) => device.record.status === 'active')
  const { sequence, chain, epoch } = vault.store.head
  return {
    unlockers: active.map((device) => digest(device.record.verifyKey)),
    state: { sequence, chain, epoch },
    failures: 0,
    notBefore: 0,
    serial: enclave.release.serial,
  }
}

async function mine(id: VaultId, { guard, enclave }: Workshop): Promise<Found> {
  const found = await guard.find(id, enclave)
  if (found) return found
  throw new Refusal('provision-invalid', 'this vault is not protected: protect it first')
}

async function opened({ find }: Workshop, id: VaultId): Promise<Vault> {
  const vault = await find(id)
  if (!vault) throw new Refusal('vault-unknown', 'this host does not have that vault')
  return vault
}

/** The vault itself knows the device, as active, and has what the device remembers in its past. */
async function known(vault: Vault, device: Uint8Array, anchor: Anchor | null): Promise<Vault> {
  const isActive = [...vault.devices.values()].some(
    ({ record }) => record.status === 'active' && equalBytes(record.verifyKey, device),
  )
  if (!isActive) throw new Refusal('provision-invalid', 'no device of this vault signed that')
  const { head } = vault.store
  if (anchor && (anchor.sequence > head.sequence || anchor.epoch > head.epoch)) {
    throw new Refusal('journal-behind', 'the vault is older than this device remembers: restore the newest copy')
  }
  return vault
}

function checkDevice({ unlockers }: Header, device: Uint8Array): void {
  const name = digest(device)
  if (unlockers.some((unlocker) => equalBytes(unlocker, name))) return
  throw new Refusal('provision-invalid', 'no device of this vault signed that')
}

function checkMinimum({ seq }: Header, order: Order): void {
  if (seq >= order.header) return
  throw new Refusal('journal-behind', 'the key file is older than this device remembers: restore the newest copy')
}

function newer(a: Anchor | null, b: Anchor | null): Anchor | null {
  if (!a || !b) return a ?? b
  return a.sequence >= b.sequence ? a : b
}
