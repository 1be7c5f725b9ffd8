/** One person of an example: a host on a folder of its own, its bus, their vault, and their phone. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Patience } from '#client/greeting.ts'
import { type Offer, type OwnerDevice, pairDevice } from '#client/owner.ts'
import { forgetfulStore } from '#client/transport.ts'
import { openMemoryBroker } from '#host/commands/bus.ts'
import { type Mailbox, mailbox } from '#host/commands/demo/mailbox.ts'
import { readImage } from '#host/commands/image.ts'
import { openFolder } from '#host/commands/open.ts'
import { surroundings } from '#host/commands/surroundings.ts'
import { warn } from '#host/commands/warn.ts'
import type { Seeded, SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { Refusal } from '#host/errors.ts'
import { type Host, startHost } from '#host/host.ts'
import type { MemoryBroker } from '#host/messaging/memory.ts'
import { fingerprint } from '#host/vault/vault.ts'
import { makeImage, makeWholeImage } from '../scripts/build-image.ts'

/** What a host does without an event is soon done: nobody who plays a story waits for seconds. */
const TICK_MS = 50

export interface Person extends AsyncDisposable {
  readonly vault: string
  readonly broker: MemoryBroker
  readonly phone: OwnerDevice
  /** What the phone signs with. */
  readonly signing: SigningKey & Seeded
  /** Light contracts and others that wait for a yes. */
  readonly offers: Mailbox<Offer>
  /** Notices of one type, as they come. */
  notices(type: string): Mailbox<Uint8Array>
  /** The host goes away, as when a machine is switched off; the bus keeps what comes. */
  leave(): Promise<void>
  comeBack(): Promise<void>
  /** Another device of theirs, or the phone anew, paired with the vault. */
  pair(device: string, signing: SigningKey, patience?: Patience): Promise<OwnerDevice>
}

/** Without an image the host runs no handlers: what vaults do among themselves needs none. */
export async function startPerson(vault: string, options: { folder: string; image?: string }): Promise<Person> {
  await using parts = new AsyncDisposableStack()
  const folder = join(options.folder, vault)
  const signing = generateSigningKey()
  const identity = await found()
  const handlers = options.image === undefined ? [] : await readImage(options.image)
  const broker = parts.use(await openMemoryBroker(join(folder, 'bus')))
  const start = (): Promise<Host> => {
    const bus = broker.connect()
    return startHost({ ...surroundings, folder, bus, handlers, cells: 1, tickMs: TICK_MS, pid: process.pid, warn })
  }
  let host: Host | undefined = await start()
  parts.defer(() => host?.[Symbol.asyncDispose]())
  const pair = (device: string, signing: SigningKey, patience: Patience = {}): Promise<OwnerDevice> => {
    const to = { vault, identity, device, signing, transport: broker.connect(), store: forgetfulStore() }
    return pairDevice({ ...surroundings, ...to, ...patience })
  }
  const phone = await pair('phone', signing)
  const offers = mailbox<Offer>()
  phone.onOffer(offers.put)
  const owned = parts.move()

  async function found(): Promise<Uint8Array> {
    await using opened = await openFolder(folder, { create: true })
    const device = { id: 'phone', label: `${vault}'s phone`, verifyKey: signing.publicKey }
    return fingerprint(await opened.vaults.create(vault, { device, fields: {}, now: surroundings.now() }))
  }

  return {
    vault,
    broker,
    phone,
    signing,
    pair,
    offers,
    notices(type) {
      const box = mailbox<Uint8Array>()
      phone.conversation.on(type, ({ body }) => box.put(body))
      return box
    },
    async leave() {
      await host?.[Symbol.asyncDispose]()
      host = undefined
    },
    async comeBack() {
      host = await start()
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** What is still on its way when an example ends has nowhere to go. */
function isGone(error: unknown): void {
  if (!(error instanceof Refusal) || error.code !== 'bus-unavailable') throw error
}

/** Where a story plays. */
export interface Place {
  readonly folder: string
  readonly image: string
}

/**
 * Plays a story in a folder of its own with an image of every handler; both are gone afterwards. A `whole` image has
 * the host besides.
 */
export async function inFolder(
  name: string,
  play: (place: Place) => Promise<void>,
  { whole = false }: { whole?: boolean } = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), `trellis-${name}-`))
  try {
    const image = join(folder, 'image')
    await (whole ? makeWholeImage(image) : makeImage(image))
    await play({ folder, image })
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Two buses that pass on what is for the other's vault, as two clusters of a broker would. */
export async function wire(one: Person, other: Person): Promise<void> {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    const far = to.broker.connect()
    const patterns = [`MessageSpace.${to.vault}.fromService.>`, `MessageSpace.${from.vault}.forService.>`]
    for (const pattern of patterns) {
      await from.broker
        .connect()
        .subscribe(pattern, ({ subject, data }) => void far.publish(subject, data, { durable: true }).catch(isGone))
    }
  }
}
