/** A whole host in this process, an owner's device that accepts every contract, and services that ask. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

import { type OwnerDevice, pairDevice } from '#client/owner.ts'
import { connect, discover } from '#client/service.ts'
import { forgetfulStore, type Transport } from '#client/transport.ts'
import { openMemoryBroker } from '#host/commands/bus.ts'
import { ALICE } from '#host/commands/demo/cast.ts'
import { foundAlice } from '#host/commands/demo/found.ts'
import { readImage } from '#host/commands/image.ts'
import { surroundings } from '#host/commands/surroundings.ts'
import { type Contract, signContract } from '#host/contracts/contract.ts'
import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { type HandlerFiles, type Host, startHost } from '#host/host.ts'
import { REQUESTS_PER_HOUR_MAX } from '#host/limits.ts'
import type { Trace } from '#host/watch.ts'
import type { Reply } from '#host/wire/reply.ts'
import { makeImage } from '../scripts/build-image.ts'
import { temporaryFolder } from './folder.ts'

/** One service's connection to the vault. */
export interface Asker {
  /** Seals a request, sends it, and resolves with the opened answer. */
  ask(type: string, body: unknown): Promise<Reply>
}

export interface Scene extends AsyncDisposable {
  readonly host: Host
  /** The owner's device, and what it signs with. */
  readonly owner: { readonly alice: OwnerDevice; readonly signing: SigningKey }
  /** Told of every delivery from here on. */
  watch(tell: (trace: Trace) => void): void
  /** A new connection whose contract permits these event types, and to store so many bytes; none when not said. */
  connect(name: string, events: readonly string[], storageBytes?: number): Promise<Asker>
}

/** Inbox marks live as long as their events: short, so that a long run does not only measure a growing vault. */
const REQUEST_LIFE_MS = 10_000

/** Starts the host with the handlers we ship, and others. */
export async function openScene(others: readonly HandlerFiles[] = []): Promise<Scene> {
  await using parts = new AsyncDisposableStack()
  const { path } = parts.use(await temporaryFolder())
  const { signing, identity } = await foundAlice(join(path, 'alice'))
  await makeImage(join(path, 'image'))
  const handlers = [...(await readImage(join(path, 'image'))), ...others]
  const broker = parts.use(await openMemoryBroker(path))
  let tell: ((trace: Trace) => void) | undefined
  const host = await startHost({
    ...surroundings,
    folder: join(path, 'alice'),
    bus: broker.connect(),
    handlers,
    cells: availableParallelism(),
    pid: process.pid,
    warn: (line) => console.error(line),
    tell: (trace) => tell?.(trace),
  })
  parts.use(host)
  const transport = parts.use(broker.connect())
  const alice = await pairDevice({
    ...surroundings,
    vault: ALICE.vault,
    identity,
    device: ALICE.device,
    signing,
    transport,
    store: forgetfulStore(),
  })
  alice.onOffer((offer) => void alice.accept(offer, []))
  const owned = parts.move()
  return {
    host,
    owner: { alice, signing },
    watch: (listener) => void (tell = listener),
    connect: (name, events, storageBytes = 0) => connectService({ name, events, storageBytes, alice, transport }),
    [Symbol.asyncDispose]: async () => owned.disposeAsync(),
  }
}

interface Service {
  readonly name: string
  readonly events: readonly string[]
  readonly storageBytes: number
  readonly alice: OwnerDevice
  readonly transport: Transport
}

async function connectService({ alice, transport, ...service }: Service): Promise<Asker> {
  const { name } = service
  const options = { ...surroundings, transport, store: forgetfulStore(), signing: generateSigningKey() }
  const invitation = await alice.invite(name, 'service')
  const profile = await discover(invitation, options)
  const contract = signContract(nativeCrypto, contractOf(service, options.signing.publicKey), options.signing)
  const { conversation } = await connect(invitation, { profile, contract }, options)
  return {
    async ask(type, body) {
      const bytes = new TextEncoder().encode(JSON.stringify(body))
      const { answer } = await conversation.request(type, bytes, { lifeMs: REQUEST_LIFE_MS })
      return answer
    },
  }
}

function contractOf(
  { name, events, storageBytes }: Pick<Service, 'name' | 'events' | 'storageBytes'>,
  verifyKey: Uint8Array,
): Contract {
  const store = storageBytes === 0 ? null : { categories: [], bytesMax: storageBytes }
  return {
    service: { name, identity: identityId(nativeCrypto, verifyKey), links: {} },
    id: 'bench',
    version: 1,
    publishedAt: surroundings.now(),
    fields: [
      {
        name: 'shipping_address',
        tier: 'on-demand',
        purpose: 'delivery of your order',
        retention: { kind: 'until-revoked' },
      },
      { name: 'email', tier: 'on-demand', purpose: 'your receipt', retention: { kind: 'until-revoked' } },
    ],
    permissions: { events: [...events], store, messages: false, authentication: false, payment: false },
    limits: { requestsPerHour: REQUESTS_PER_HOUR_MAX, storageBytes },
  }
}
