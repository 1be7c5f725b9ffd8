/** Owners' commands as a test types them: in this process, on a data folder with two vaults. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Offer, pairDevice } from '#client/owner.ts'
import { connect, discover } from '#client/service.ts'
import { forgetfulStore } from '#client/transport.ts'
import { contractOf, publisher } from '#host/contracts/contract.fixture.ts'
import { signContract } from '#host/contracts/contract.ts'
import type { Sharing } from '#host/contracts/sharing.ts'
import type { Finding } from '#host/entries/finding.ts'
import { type Host, startHost } from '#host/host.ts'
import { fingerprint } from '#host/vault/vault.ts'
import { until } from '#host/world.fixture.ts'
import { openMemoryBroker } from '../bus.ts'
import { mailbox } from '../demo/mailbox.ts'
import { openFolder } from '../open.ts'
import { surroundings } from '../surroundings.ts'
import { newDevice, signUpDevice } from './account.ts'
import { openDevice } from './folder.ts'
import type { Screen } from './screen.ts'

const SHARING: Sharing = { events: [], store: null, messages: false, authentication: false, requestsPerHour: 1_000 }
/** Nobody waits for the host's next round. */
const TICK_MS = 20
const PASSPHRASE = 'correct horse battery staple'

/** What was printed, and what was found wrong. */
export interface Page extends Screen {
  readonly lines: readonly string[]
  readonly findings: readonly Finding[]
  readonly steps: readonly string[]
}

export function page(columns = 100): Page {
  const [lines, findings, steps]: [string[], Finding[], string[]] = [[], [], []]
  return {
    columns,
    lines,
    findings,
    steps,
    print: (line) => void lines.push(...line.split('\n')),
    wrong: (found) => void findings.push(...found),
    progress: (what) => (done, total) => void steps.push(`${what} ${done}/${total}`),
  }
}

export interface Owners extends AsyncDisposable {
  readonly data: string
  readonly passphraseFile: string
  /** A path in a folder of this test's own. */
  path(name: string): string
  /** What every command is given: the device's folder, and the vault's. */
  at(device: string): { readonly device: string; readonly data: string }
  /** Makes a device, a vault for it, and its account; gives the user id. */
  signUp(vault: string, device: string): Promise<{ readonly user: string; readonly identity: string }>
  /** A service that is invited presents its contract, and leaves; gives the connection's id. */
  offer(alias: string, to: { vault: string; device: string }): Promise<string>
  /** Connects two vaults; gives the connection's id in each. */
  connect(one: { vault: string; device: string }, other: { vault: string; device: string }): Promise<[string, string]>
}

export async function startOwners(): Promise<Owners> {
  const folder = await mkdtemp(join(tmpdir(), 'trellis-owner-'))
  const [data, passphraseFile] = [join(folder, 'data'), join(folder, 'passphrase')]
  await writeFile(passphraseFile, `${PASSPHRASE}\n`)
  const path = (name: string): string => join(folder, name)
  const identities = new Map<string, string>()
  return {
    data,
    passphraseFile,
    path,
    at: (device) => ({ device: path(device), data }),
    async signUp(vault, device) {
      await newDevice(path(device), page())
      const identity = await foundVault(data, { vault, device: path(device) })
      identities.set(vault, identity)
      const told = page()
      await signUpDevice({ device: path(device), data, vault, identity, name: 'phone', label: device }, told)
      return { identity, user: told.lines[0]?.split('  ')[1] ?? '' }
    },
    offer,
    connect: (one, other) => connectVaults(one, other),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }

  async function hosted(parts: AsyncDisposableStack) {
    const broker = parts.use(await openMemoryBroker(data))
    const quiet = { warn: () => {}, cells: 1, tickMs: TICK_MS, pid: process.pid, handlers: [] }
    const host = parts.use(await startHost({ ...surroundings, ...quiet, folder: data, bus: broker.connect() }))
    const pair = async ({ vault, device }: { vault: string; device: string }) => {
      await using made = await openDevice(path(device))
      const identity = Uint8Array.fromHex(identities.get(vault) ?? '')
      const to = { vault, identity, device: 'phone', signing: made.signing }
      return pairDevice({ ...surroundings, ...to, transport: broker.connect(), store: made.client })
    }
    return { broker, host, pair }
  }

  async function offer(alias: string, to: { vault: string; device: string }): Promise<string> {
    await using parts = new AsyncDisposableStack()
    const { broker, pair } = await hosted(parts)
    const mine = await pair(to)
    const offers = mailbox<Offer>()
    mine.onOffer(offers.put)
    const invitation = await mine.invite(alias, 'service')
    const own = { ...surroundings, transport: broker.connect(), store: forgetfulStore(), signing: publisher }
    const profile = await discover(invitation, own)
    const contract = signContract(surroundings.crypto, contractOf(), publisher)
    // Answered when the owner decides, when this host is gone.
    void connect(invitation, { profile, contract }, own).catch(() => {})
    await offers.take()
    return invitation.connection
  }

  async function connectVaults(
    one: { vault: string; device: string },
    other: { vault: string; device: string },
  ): Promise<[string, string]> {
    await using parts = new AsyncDisposableStack()
    const { host, pair } = await hosted(parts)
    const [mine, theirs] = [await pair(one), await pair(other)]
    const [here, there] = [mailbox<Offer>(), mailbox<Offer>()]
    mine.onOffer(here.put)
    theirs.onOffer(there.put)
    const invitation = await theirs.invitePeer('One', { name: 'Other', sharing: SHARING })
    const at = await mine.connectPeer('Other', invitation, { name: 'One', sharing: SHARING })
    await theirs.accept(await there.take(), [])
    await mine.accept(await here.take(), [])
    await until('both may send', () => maySend(host, [one.vault, other.vault]))
    return [at, invitation.connection]
  }
}

async function foundVault(data: string, { vault, device }: { vault: string; device: string }): Promise<string> {
  await using opened = await openFolder(data, { create: true })
  await using made = await openDevice(device)
  const first = { id: 'phone', label: 'phone', verifyKey: made.keys.signing }
  const founded = await opened.vaults.create(vault, { device: first, fields: {}, now: surroundings.now() })
  return fingerprint(founded).toHex()
}

/** Whether each has the other's yes, and nothing of theirs is on its way. */
async function maySend(host: Host, names: readonly string[]): Promise<boolean> {
  const vaults = await Promise.all(names.map((name) => host.vaults.find(name)))
  return vaults.every(
    (vault) =>
      vault?.connections.values().every(({ record }) => !record.peer || record.peer.asks?.accepted === true) &&
      vault.system.scan({ prefix: 'post/', limit: 1 }).items.length === 0,
  )
}
