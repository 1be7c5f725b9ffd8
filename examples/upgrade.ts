/**
 * Evidence before trust, and an upgrade that only the owner can allow.
 *
 *     node examples/upgrade.ts
 *
 * Acme checks which code has Alice's vault before it says hello. The provider publishes another image, and it waits in
 * a process of its own beside the host that runs. Alice reads what it changes and says yes; the old host hands over and
 * ends, the vault opens in the new one and nowhere else, and Acme asks again. Exits with 0 only if all of it came out
 * as it should. It needs a nats-server: both hosts are reached over it.
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { type OwnerDevice, pairDevice } from '#client/owner.ts'
import { type EnclaveClient, enclaveClient } from '#client/sealing.ts'
import { type Connected, connect, discover, evidenceOf } from '#client/service.ts'
import { forgetfulStore } from '#client/transport.ts'
import type { Trust } from '#enclave/shown.ts'
import { openAttestorKey } from '#host/commands/attest.ts'
import { connectNats } from '#host/commands/bus.ts'
import { mailbox } from '#host/commands/demo/mailbox.ts'
import { openFolder } from '#host/commands/open.ts'
import { readMeasured } from '#host/commands/image/read.ts'
import { RELEASES_FILE } from '#host/commands/releases.ts'
import { surroundings } from '#host/commands/surroundings.ts'
import { type Contract, signContract } from '#host/contracts/contract.ts'
import type { MoveOffer } from '#host/contracts/provisioning.ts'
import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import type { Bus } from '#host/messaging/port.ts'
import { fingerprint } from '#host/vault/vault.ts'
import { type HostProcess, startHostProcess } from '../scripts/host-process.ts'
import { startNatsServer } from '../scripts/nats-server.ts'
import { inFolder, type Place } from './person.ts'
import { openProvider, type Provider } from './release.ts'

const VAULT = 'alice'
const PIN = '246810'
const LIFE = { lifeMs: 3_600_000 }
const POLL_MS = 100
const A = { number: 1, handlers: { 'data-access': '0.1.0', 'auth-challenge': '0.1.0' }, notes: '' }
const B = { number: 2, handlers: { ...A.handlers, 'data-access': '0.2.0', location: '0.1.0' }, notes: 'adds location' }

/** Alice's machine: what lies on it, and how it is reached. */
interface Machine {
  readonly data: string
  readonly images: Readonly<Record<'A' | 'B', string>>
  readonly nats: string
  /** A client's connection of its own. */
  readonly connect: (name: string) => Promise<Bus>
  readonly identity: Uint8Array
  /** What Alice's phone signs with. */
  readonly signing: SigningKey
  /** Whose evidence counts: the key that this installation made. */
  readonly roots: Trust['roots']
  readonly provider: Provider
}

await inFolder('upgrade', play, { whole: true })

async function play(place: Place): Promise<void> {
  await using parts = new AsyncDisposableStack()
  const machine = await setUp(place, parts)
  const { provider, images } = machine
  await provider.release(images.A, A)
  const { measurement } = await readMeasured(images.A)
  await using first = up(machine, images.A)
  await first.said('ready')
  const phone = await phoneOf(machine)
  phone.only(measurement)
  const alice = await phone.pair()
  await phone.enclave().protect(PIN)
  console.log('Alice: my vault opens with release 1, my phone and my PIN only')
  const acme = await meet(machine, alice)
  deepEqual(await acme.offered(), ['auth.challenge', 'data.request'])

  await provider.release(images.B, B)
  await using second = up(machine, images.B, '--succeed')
  await second.said('waiting')
  const offer = await offered(phone.enclave())
  match(offer.changes, /added {2}location/)
  match(offer.changes, /changed {2}data-access 0\.1\.0 → 0\.2\.0/)
  console.log(offer.changes.replaceAll(/^/gmu, '  | '))
  await rejects(phone.enclave(generateSigningKey()).move(offer, PIN), { code: 'provision-invalid' })
  await rejects(phone.enclave().move(offer, '000000'), { code: 'secret-wrong' })
  equal(await holderOf(machine), first.pid)
  await phone.enclave().move(offer, PIN)
  console.log('Alice: yes, with a signature and her PIN; neither the provider nor the operator could')
  equal(await first.ended, 0)
  await second.said('ready')
  equal(await holderOf(machine), second.pid)
  console.log('the process of release 1 handed over, let go and ended; that of release 2 has the folder')

  await rejects(phone.enclave().unlock(PIN), { code: 'measurement-unknown' })
  phone.only(offer.to)
  const told = acme.changed()
  await phone.enclave().unlock(PIN)
  console.log(`release 2 runs: Acme is told that ${(await told).join(', ')} changed`)
  await acme.check(2)
  deepEqual(await acme.ask(), { fields: { shipping_address: '12 Rose Lane' } })
  await rejects(phone.enclave().abandon(PIN), { code: 'move-refused' })
  await provider.revoke('auth-challenge', 'it answers for others')
  await until(async () => ((await acme.offered()).includes('auth.challenge') ? undefined : true))
  console.log('the provider revoked a handler: it is gone from the next event on, the vault is not')
  await second[Symbol.asyncDispose]()

  await using old = up(machine, images.A)
  await old.said('ready')
  await rejects(phone.enclave().abandon(PIN), { code: 'measurement-unknown' })
  phone.only(measurement)
  await rejects(phone.enclave().abandon(PIN), { code: 'journal-behind' })
  console.log('and release 1 opens it no more: there is no way back, only forward')
}

async function setUp({ folder, image }: Place, parts: AsyncDisposableStack): Promise<Machine> {
  const data = join(folder, VAULT)
  await mkdir(data, { mode: 0o700 })
  const signing = generateSigningKey()
  const { publicKey } = await openAttestorKey(data, () => undefined)
  const { url } = parts.use(await startNatsServer())
  return {
    data,
    images: { A: join(folder, 'A'), B: join(folder, 'B') },
    nats: url,
    connect: async (name) => parts.use(await connectNats(url, { name })),
    identity: await found(data, signing),
    signing,
    roots: { nitro: [], software: [publicKey.toHex()], revoked: new Set() },
    provider: await openProvider({ folder, log: join(data, RELEASES_FILE), from: image }),
  }
}

async function found(data: string, signing: SigningKey): Promise<Uint8Array> {
  await using opened = await openFolder(data, { create: true })
  const device = { id: 'phone', label: 'phone', verifyKey: signing.publicKey }
  const fields = { shipping_address: '12 Rose Lane' }
  return fingerprint(await opened.vaults.create(VAULT, { device, fields, now: surroundings.now() }))
}

/** A host as the operator starts it. */
function up({ data, nats }: Machine, image: string, ...flags: readonly string[]): HostProcess {
  return startHostProcess('--data', data, '--image', image, '--nats', nats, ...flags)
}

/** The process that has the vaults' folder. */
async function holderOf({ data }: Machine): Promise<number> {
  return Number((await readFile(join(data, 'log.lock'), 'utf8')).split(' ')[0])
}

/** Asks until something is: a host looks at the release log on its own. */
function offered(enclave: EnclaveClient): Promise<MoveOffer> {
  return until(async () => (await enclave.attest()).descriptor.offer ?? undefined)
}

/** Alice's phone: it unlocks only code that it accepts. */
async function phoneOf({ connect, identity, signing, roots }: Machine) {
  const store = forgetfulStore()
  const transport = await connect('phone')
  const about = { ...surroundings, vault: VAULT, signing, transport, store }
  let accepted: readonly string[] = []
  return {
    /** The code it accepts from now on. */
    only: (measurement: Uint8Array) => void (accepted = [measurement.toHex()]),
    pair: () => pairDevice({ ...about, identity, device: 'phone' }),
    /** `by`: who signs; the phone itself, if it is not said. */
    enclave(by = signing): EnclaveClient {
      const policy = { kind: 'software', measurements: accepted, registers: new Map(), maxAgeMs: 60_000 } as const
      return enclaveClient({ ...about, signing: by, roots, policy })
    },
  }
}

/** Acme asks which code it is, then what it may do, and goes on asking. */
async function meet({ connect: dial, provider, roots }: Machine, alice: OwnerDevice) {
  const signing = generateSigningKey()
  const options = { ...surroundings, transport: await dial('acme'), store: forgetfulStore(), signing }
  const invitation = await alice.invite('Acme', 'service')
  const trusting = (minimum: number): Trust => ({
    roots,
    policy: { kind: 'software', measurements: [], registers: new Map(), maxAgeMs: 60_000 },
    releases: { keys: provider.keys, minimum },
  })
  const profile = await discover(invitation, options)
  const asked = { profile, trust: trusting(1), handler: 'data-access' }
  await rejects(evidenceOf(invitation, { ...asked, trust: trusting(2) }, options), { code: 'release-older' })
  const shown = await evidenceOf(invitation, asked, options)
  deepEqual([shown.release?.version, shown.handler?.id, shown.hardware], ['1.1', 'data-access', false])
  console.log('Acme, before hello: release 1.1 of a provider it knows, with data-access in it; no hardware says so')

  const offers = mailbox<Parameters<Parameters<OwnerDevice['onOffer']>[0]>[0]>()
  alice.onOffer(offers.put)
  const connecting = connect(
    invitation,
    { profile, contract: signContract(nativeCrypto, terms(signing), signing) },
    options,
  )
  await alice.accept(await offers.take(), [])
  const connected: Connected = await connecting
  return {
    offered: async () => (await connected.catalogue(LIFE)).events.map(({ type }) => type).toSorted(),
    changed: () =>
      new Promise<readonly string[]>((resolve) =>
        connected.onProfileChanged(({ changed }) => resolve(changed.map(({ type }) => type))),
      ),
    async check(minimum: number) {
      const fresh = { ...asked, profile: await discover(invitation, options), trust: trusting(minimum) }
      const { release, log } = await connected.evidence(fresh, LIFE)
      deepEqual([release?.release, log?.size], [2, 2])
      ok(release?.notes)
      await rejects(connected.evidence({ ...fresh, profile }, LIFE), { code: 'user-data-mismatch' })
      console.log('Acme, under its contract: release 1.2, in the log it saw before')
    },
    async ask() {
      const body = new TextEncoder().encode(JSON.stringify({ fields: 'all' }))
      const reply = await (await connected.conversation.request('data.request', body, LIFE)).answer
      if (reply.status !== 'replied') throw new Error(reply.status)
      return JSON.parse(new TextDecoder().decode(reply.body)) as unknown
    },
  }
}

function terms(signing: SigningKey): Contract {
  return {
    service: { name: 'Acme', identity: identityId(nativeCrypto, signing.publicKey), links: {} },
    id: 'terms',
    version: 1,
    publishedAt: surroundings.now(),
    fields: [{ name: 'shipping_address', tier: 'required', purpose: 'to ship', retention: { kind: 'until-revoked' } }],
    permissions: {
      events: ['data.request', 'auth.challenge'],
      store: null,
      messages: false,
      authentication: true,
      payment: false,
    },
    limits: { requestsPerHour: 1_000, storageBytes: 0 },
  }
}

/** Polls: a host looks at the log on its own. */
async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 300; tries++) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  throw new Error('it did not happen')
}
