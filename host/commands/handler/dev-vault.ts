/**
 * The local vault of `trellis handler dev`: a host on a folder of its own, an owner's device that says yes to all and a
 * service that is connected. What is asked goes the whole way: sealed event, contract, cell, sealed reply.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

import { type OwnerDevice, pairDevice, type Question } from '#client/owner.ts'
import { type Connected, connect, discover, type ServiceOptions } from '#client/service.ts'
import { forgetfulStore } from '#client/transport.ts'
import { signContract } from '#host/contracts/contract.ts'
import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { type HandlerFiles, type Host, startHost } from '#host/host.ts'
import { DEV_ANSWER_MS_MAX } from '#host/limits.ts'
import type { MemoryBroker } from '#host/messaging/memory.ts'
import type { Manifest } from '#host/plugin/manifest.ts'
import { fingerprint } from '#host/vault/vault.ts'
import type { Trace } from '#host/watch.ts'
import type { Reply } from '#host/wire/reply.ts'
import { openMemoryBroker } from '../bus.ts'
import { openFolder } from '../open.ts'
import { surroundings } from '../surroundings.ts'
import { warn } from '../warn.ts'
import type { Case } from './cases.ts'
import { fieldsOf, type Terms, termsOf } from './dev-contract.ts'

const [VAULT, DEVICE, SERVICE] = ['dev', 'phone', 'asker']

/** What runs in the vault. */
export interface Loaded {
  readonly manifest: Manifest
  readonly files: HandlerFiles
  readonly cases: readonly Case[]
}

export interface Asked {
  /** Undefined when none came in time. */
  readonly answer: Reply | undefined
  /** The deliveries that the request caused, in order. */
  readonly traces: readonly Trace[]
}

export interface DevVault extends AsyncDisposable {
  /**
   * Starts the host again from its log with another handler; what was stored is there. When the handler speaks of other
   * fields or events, the service publishes the next contract version and the owner accepts it.
   *
   * @throws Refusal when a host would not start with it, or no contract says what it needs
   */
  load(loaded: Loaded): Promise<void>
  ask(type: string, request: unknown): Promise<Asked>
}

interface Party {
  readonly owner: OwnerDevice
  readonly service: Connected
  readonly contract: (version: number, terms: Terms) => Uint8Array
}

/** `asked` is told of each question to the owner, and of what the owner answers. */
export async function openDevVault(
  folder: string,
  first: Loaded,
  asked: (question: Question, choice: string | undefined) => void,
): Promise<DevVault> {
  await using parts = new AsyncDisposableStack()
  const found = await foundVault(folder, fieldsOf(first.cases))
  const broker = parts.use(await openMemoryBroker(folder))
  const traces: Trace[] = []
  const open = (files: HandlerFiles): Promise<Host> => openHost({ folder, broker, files, traces })
  let host = await open(first.files)
  parts.defer(() => host[Symbol.asyncDispose]())
  let terms = termsOf(first.manifest, first.cases)
  const { owner, service, contract } = await introduce(broker, { ...found, terms, asked })
  const owned = parts.move()
  return {
    async load({ files, manifest, cases }) {
      await host[Symbol.asyncDispose]()
      host = await open(files)
      for (const [name, value] of fieldsOf(cases)) await owner.putField(name, value)
      const next = termsOf(manifest, cases)
      if (isDeepStrictEqual(next, terms)) return
      await service.publishContract(contract(service.terms().version + 1, next), { lifeMs: DEV_ANSWER_MS_MAX })
      terms = next
    },
    async ask(type, request) {
      const from = traces.length
      const body = new TextEncoder().encode(JSON.stringify(request))
      const sent = await service.conversation.request(type, body, { lifeMs: DEV_ANSWER_MS_MAX })
      const answer = await Promise.race([sent.answer, pause(DEV_ANSWER_MS_MAX, undefined, { ref: false })])
      await told(() => traces.slice(from).some(({ subject }) => subject.endsWith(`.${type}`)))
      return { answer, traces: traces.slice(from).filter(({ subject }) => !subject.endsWith('.session.rekey')) }
    },
    [Symbol.asyncDispose]: async () => owned.disposeAsync(),
  }
}

function unawaited(answer: Promise<void>): void {
  answer.catch((error: unknown) => warn(error instanceof Error ? error.message : String(error)))
}

/** A host tells of an event after its answer has left. */
async function told(isThere: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !isThere(); tries++) await pause(5)
}

async function openHost(options: {
  folder: string
  broker: MemoryBroker
  files: HandlerFiles
  traces: Trace[]
}): Promise<Host> {
  const { folder, broker, files, traces } = options
  const bus = broker.connect()
  const tell = (trace: Trace): void => void traces.push(trace)
  return startHost({ ...surroundings, folder, bus, handlers: [files], cells: 1, pid: process.pid, warn, tell })
}

async function foundVault(folder: string, fields: ReadonlyMap<string, string>) {
  const signing = generateSigningKey()
  await using opened = await openFolder(folder, { create: true })
  const device = { id: DEVICE, label: 'The developer’s phone', verifyKey: signing.publicKey }
  const vault = await opened.vaults.create(VAULT, {
    device,
    fields: Object.fromEntries(fields),
    now: surroundings.now(),
  })
  return { signing, identity: fingerprint(vault) }
}

/** The owner's device and the service, and the contract between them. */
async function introduce(
  broker: MemoryBroker,
  given: Awaited<ReturnType<typeof foundVault>> & { terms: Terms; asked: Parameters<typeof openDevVault>[2] },
): Promise<Party> {
  const { identity, terms, asked } = given
  const owner = await pairDevice({
    ...surroundings,
    vault: VAULT,
    identity,
    device: DEVICE,
    signing: given.signing,
    transport: broker.connect(),
    store: forgetfulStore(),
  })
  owner.onOffer((offer) => unawaited(owner.accept(offer, [])))
  owner.onQuestion((question) => {
    const [choice] = question.choices
    asked(question, choice)
    unawaited(owner.approve(question, choice))
  })
  const signing = generateSigningKey()
  const contract = (version: number, agreed: Terms): Uint8Array =>
    signContract(
      nativeCrypto,
      {
        service: { name: SERVICE, identity: identityId(nativeCrypto, signing.publicKey), links: {} },
        id: 'dev-terms',
        version,
        publishedAt: surroundings.now(),
        ...agreed,
      },
      signing,
    )
  const options: ServiceOptions = { ...surroundings, transport: broker.connect(), store: forgetfulStore(), signing }
  const invitation = await owner.invite(SERVICE, 'service')
  const profile = await discover(invitation, options)
  const service = await connect(invitation, { profile, contract: contract(1, terms) }, options)
  return { owner, service, contract }
}
