/**
 * Evidence before trust, and an upgrade that only the owner can allow.
 *
 *     node examples/upgrade.ts
 *
 * Acme checks which code has Alice's vault before it says hello. The provider publishes another image; Alice reads what
 * it changes and says yes; the vault opens there and nowhere else, and Acme asks again. Exits with 0 only if all of it
 * came out as it should.
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import { type OwnerDevice, pairDevice } from '#client/owner.ts'
import { type EnclaveClient, enclaveClient } from '#client/sealing.ts'
import { type Connected, connect, discover, evidenceOf } from '#client/service.ts'
import { forgetfulStore } from '#client/transport.ts'
import type { Trust } from '#enclave/shown.ts'
import { openAttestorKey } from '#host/commands/attest.ts'
import { openMemoryBroker } from '#host/commands/bus.ts'
import { mailbox } from '#host/commands/demo/mailbox.ts'
import { enclavedOf, nextOf, showingOf } from '#host/commands/enclaved.ts'
import { handlersOf } from '#host/commands/image.ts'
import { openFolder } from '#host/commands/open.ts'
import { readMeasured } from '#host/commands/image/read.ts'
import { openReleases, RELEASES_FILE } from '#host/commands/releases.ts'
import { surroundings } from '#host/commands/surroundings.ts'
import { type Contract, signContract } from '#host/contracts/contract.ts'
import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { startHost } from '#host/host.ts'
import type { MemoryBroker } from '#host/messaging/memory.ts'
import { fingerprint } from '#host/vault/vault.ts'
import { inFolder, type Place } from './person.ts'
import { bootOf, openProvider, type Provider } from './release.ts'

const VAULT = 'alice'
const PIN = '246810'
const LIFE = { lifeMs: 3_600_000 }
const POLL_MS = 20
const A = { number: 1, handlers: { 'data-access': '0.1.0', 'auth-challenge': '0.1.0' }, notes: '' }
const B = { number: 2, handlers: { ...A.handlers, 'data-access': '0.2.0', location: '0.1.0' }, notes: 'adds location' }

/** Alice's machine: what lies on it, and how it is reached. */
interface Machine {
  readonly data: string
  readonly images: Readonly<Record<'A' | 'B', string>>
  readonly broker: MemoryBroker
  readonly identity: Uint8Array
  /** What Alice's phone signs with. */
  readonly signing: SigningKey
  /** Whose evidence counts: the key that this installation made. */
  readonly roots: Trust['roots']
  readonly provider: Provider
}

await inFolder('upgrade', play)

async function play(place: Place): Promise<void> {
  await using parts = new AsyncDisposableStack()
  const machine = await setUp(place, parts)
  const phone = phoneOf(machine)
  const { provider, images } = machine
  await provider.release(images.A, A)
  const { measurement } = await readMeasured(images.A)
  phone.only(measurement)

  let running = await run(machine, { image: images.A })
  let alice = await phone.pair()
  await phone.enclave().protect(PIN)
  console.log('Alice: my vault opens with release 1, my phone and my PIN only')
  const acme = await meet(machine, alice)
  deepEqual(await acme.offered(), ['auth.challenge', 'data.request'])
  await running[Symbol.asyncDispose]()

  await provider.release(images.B, B)
  running = await run(machine, { image: images.A, next: images.B })
  await phone.enclave().unlock(PIN)
  const { offer } = (await phone.enclave().attest()).descriptor
  if (!offer) throw new Error('nothing is offered')
  match(offer.changes, /added {2}location/)
  match(offer.changes, /changed {2}data-access 0\.1\.0 → 0\.2\.0/)
  console.log(offer.changes.replaceAll(/^/gmu, '  | '))
  await rejects(phone.enclave(generateSigningKey()).move(offer, PIN), { code: 'provision-invalid' })
  await rejects(phone.enclave().move(offer, '000000'), { code: 'secret-wrong' })
  await phone.enclave().move(offer, PIN)
  equal((await phone.enclave().attest()).descriptor.state, 'moving')
  console.log('Alice: yes, with a signature and her PIN; neither the provider nor the operator could')
  await running[Symbol.asyncDispose]()

  running = await run(machine, { image: images.B })
  await rejects(phone.enclave().unlock(PIN), { code: 'measurement-unknown' })
  phone.only(offer.to)
  const told = acme.changed()
  await phone.enclave().unlock(PIN)
  alice = await phone.pair()
  console.log(`release 2 runs: Acme is told that ${(await told).join(', ')} changed`)
  await acme.check(2)
  deepEqual(await acme.ask(), { fields: { shipping_address: '12 Rose Lane' } })
  await rejects(phone.enclave().abandon(PIN), { code: 'move-refused' })
  await provider.revoke('auth-challenge', 'it answers for others')
  await until(async () => !(await acme.offered()).includes('auth.challenge'))
  console.log('the provider revoked a handler: it is gone from the next event on, the vault is not')
  await running[Symbol.asyncDispose]()

  running = await run(machine, { image: images.A, next: images.B })
  await rejects(phone.enclave().abandon(PIN), { code: 'measurement-unknown' })
  phone.only(measurement)
  await rejects(phone.enclave().abandon(PIN), { code: 'journal-behind' })
  console.log('and release 1 opens it no more: there is no way back, only forward')
  await running[Symbol.asyncDispose]()
}

async function setUp({ folder, image }: Place, parts: AsyncDisposableStack): Promise<Machine> {
  const data = join(folder, VAULT)
  await mkdir(data, { mode: 0o700 })
  const signing = generateSigningKey()
  const { publicKey } = await openAttestorKey(data, () => undefined)
  return {
    data,
    images: { A: join(folder, 'A'), B: join(folder, 'B') },
    broker: parts.use(await openMemoryBroker(join(folder, 'bus'))),
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

/** What `trellis up --image … --next …` does. */
async function run(
  { data, broker }: Machine,
  { image, next }: { image: string; next?: string },
): Promise<AsyncDisposable> {
  const boot = await bootOf(image)
  const lines: string[] = []
  const about = { ...surroundings, folder: data, warn: (line: string) => void lines.push(line) }
  const releases = await openReleases(boot.image, { ...about, data, pollMs: POLL_MS })
  const to = next === undefined ? undefined : await nextOf(boot, { folder: next, releases })
  const host = await startHost({
    ...about,
    bus: broker.connect(),
    handlers: handlersOf(boot.image),
    cells: 1,
    pid: process.pid,
    enclaved: enclavedOf(boot, { ...about, releases, next: to }),
    showing: () => showingOf(boot, { ...about, releases }),
  })
  const watch = releases.watch((revoked) => host.registry.withdraw(revoked))
  return {
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]()
      await host[Symbol.asyncDispose]()
    },
  }
}

/** Alice's phone: it unlocks only code that it accepts. */
function phoneOf({ broker, identity, signing, roots }: Machine) {
  const store = forgetfulStore()
  const transport = broker.connect()
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
async function meet({ broker, provider, roots }: Machine, alice: OwnerDevice) {
  const signing = generateSigningKey()
  const options = { ...surroundings, transport: broker.connect(), store: forgetfulStore(), signing }
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

/** Polls: the host looks at the log on its own. */
async function until(look: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await look()) return
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  throw new Error('it did not happen')
}
