/** The way from a device's folder to its vault: a host over NATS, or one of this process on a data folder. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { type Account, openAccount, signUp } from '#client/account/account.ts'
import { type OwnerDevice, pairDevice } from '#client/owner.ts'
import type { Transport } from '#client/transport.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { parseUserId } from '#host/entries/ids.ts'
import { Refusal } from '#host/errors.ts'
import { startHost } from '#host/host.ts'
import { connectNats, openMemoryBroker } from '../bus.ts'
import { IMAGE_FOLDER, readImage } from '../image.ts'
import { surroundings } from '../surroundings.ts'
import { warn } from '../warn.ts'
import { type DeviceCard, type DeviceFolder, openDevice } from './folder.ts'
import { PATIENCE_MS } from './limits.ts'

/** Where the vault is: a host that runs, or a folder that none runs on. */
export interface Place {
  readonly nats?: string
  readonly space?: string
  readonly data?: string
  /** What the folder's host runs. */
  readonly image?: string
  /** Seconds that the vault may take to answer at all. */
  readonly wait?: number
}

/** What a command works with. */
export interface AtVault {
  readonly folder: DeviceFolder
  readonly owner: OwnerDevice
}

export interface AtAccount extends AtVault {
  readonly account: Account
}

/** Opens the device and its account for one piece of work. What is typed comes before what the device remembers. */
export async function withAccount<T>(device: string, typed: Place, work: (at: AtAccount) => Promise<T>): Promise<T> {
  await using folder = await openDevice(device)
  const card = cardAt(folder, typed)
  const { user } = card
  if (user === null) throw new Refusal('command-invalid', `${device}: no account yet: trellis owner sign-up`)
  return atVault(folder, card, async (owner) => {
    const options = { ...surroundings, ...folder.secrets, crypto: nativeCrypto, owner, store: folder.account }
    const account = await openAccount({ ...options, user: parseUserId(Uint8Array.fromHex(user)) })
    return work({ folder, owner, account })
  })
}

/** The same without its account: for what a device that is paired may say. */
export async function withVault<T>(device: string, typed: Place, work: (owner: OwnerDevice) => Promise<T>): Promise<T> {
  await using folder = await openDevice(device)
  return atVault(folder, cardAt(folder, typed), work)
}

/** The account of a vault that has none: this device is its root. */
export function foundAccount(folder: DeviceFolder, card: DeviceCard, label: string): Promise<Account> {
  return atVault(folder, card, async (owner) => {
    const options = { ...surroundings, ...folder.secrets, crypto: nativeCrypto, owner, store: folder.account }
    const account = await signUp(options, label)
    await folder.keepCard({ ...card, user: account.user.toHex() })
    return account
  })
}

function cardAt(folder: DeviceFolder, typed: Place): DeviceCard & Pick<Place, 'wait'> {
  return { ...placed(cardOf(folder), typed), ...(typed.wait !== undefined && { wait: typed.wait }) }
}

/** A place that is typed takes the place of the one that is remembered. */
export function placed(card: DeviceCard, { nats, space, data, image }: Place): DeviceCard {
  const { vault, name, identity, user } = card
  const isTyped = nats !== undefined || data !== undefined
  const place = isTyped
    ? { ...(nats !== undefined && { nats }), ...(data !== undefined && { data }) }
    : { ...(card.nats !== undefined && { nats: card.nats }), ...(card.data !== undefined && { data: card.data }) }
  const [inSpace, from] = [space ?? card.space, image ?? card.image]
  return {
    vault,
    name,
    identity,
    user,
    ...place,
    ...(inSpace !== undefined && { space: inSpace }),
    ...(from !== undefined && { image: from }),
  }
}

/** Who the device is. @throws Refusal `command-invalid` before it belongs to a vault */
export function cardOf({ card, path }: DeviceFolder): DeviceCard {
  if (card !== undefined) return card
  throw new Refusal('command-invalid', `${path}: of no vault yet: trellis owner sign-up, join or recover`)
}

/** Pairs with the vault, works, and lets go of it. */
export async function atVault<T>(
  { id, signing, client }: DeviceFolder,
  card: DeviceCard & Pick<Place, 'wait'>,
  work: (owner: OwnerDevice) => Promise<T>,
): Promise<T> {
  await using parts = new AsyncDisposableStack()
  const transport = await reach(card, parts)
  const device = card.name === '' ? id.toHex() : card.name
  const { vault } = card
  const identity = Uint8Array.fromHex(card.identity)
  const to = {
    vault,
    identity,
    device,
    signing,
    transport,
    store: client,
    patienceMs: card.wait === undefined ? PATIENCE_MS : card.wait * 1_000,
  }
  const owner = await pairDevice({ ...surroundings, ...to })
  parts.defer(() => owner.conversation.close())
  return await work(owner)
}

async function reach(
  { nats, space, data, image = ownImage() }: Place,
  parts: AsyncDisposableStack,
): Promise<Transport> {
  if (nats !== undefined) {
    return parts.use(await connectNats(nats, { name: 'trellis-device', ...(space !== undefined && { space }) }))
  }
  if (data === undefined) throw new Refusal('command-invalid', 'say where the vault is: --nats URL, or --data DIR')
  const handlers = image === undefined ? [] : await readImage(image)
  const broker = parts.use(await openMemoryBroker(data))
  const bus = broker.connect()
  parts.use(await startHost({ ...surroundings, folder: data, bus, handlers, cells: 1, pid: process.pid, warn }))
  return broker.connect()
}

/** The image that `trellis up` runs, when it was built: a vault notices when its host runs another one. */
function ownImage(): string | undefined {
  return existsSync(join(IMAGE_FOLDER, 'image.json')) ? IMAGE_FOLDER : undefined
}
