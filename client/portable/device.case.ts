/**
 * An owner's device over any provider and any transport, from its first key to its end: vouched for, shown evidence,
 * unlocking, writing, revoked. Vitest runs it in Node, a page runs it in a browser. What others do meanwhile is asked
 * of whoever tells it.
 */
import { openAccount } from '#client/account/account.ts'
import { same } from '#client/entries/vectors.case.ts'
import { pairDevice } from '#client/owner.ts'
import { enclaveClient, type EnclaveClientOptions } from '#client/sealing.ts'
import { forgetfulStore, type Surroundings, type Transport } from '#client/transport.ts'
import { parseUserId } from '#host/entries/ids.ts'
import { Refusal } from '#host/errors.ts'

export interface DeviceStory extends Surroundings, Pick<EnclaveClientOptions, 'roots' | 'policy'> {
  readonly transport: Transport
  readonly vault: string
  /** The vault's fingerprint. */
  readonly identity: Uint8Array
  readonly others: Others
}

/** The owner, at another device. */
export interface Others {
  /** Vouches for the keys that were shown. */
  readonly attach: (keys: { readonly signing: Uint8Array; readonly sealing: Uint8Array }) => Promise<{
    /** What the vault calls the device. */
    readonly device: string
    readonly user: Uint8Array
  }>
  /** Protects the vault, locks it, and gives what its owner keeps of the secret. */
  readonly lock: (pin: string) => Promise<Uint8Array>
  /** What another device reads of the one entry there is. */
  readonly read: () => Promise<string>
  readonly revoke: () => Promise<void>
}

const PIN = '246810'
/** For a vault that will not answer. */
const PATIENCE_MS = 300
const outline = { title: 'Router', kind: 'login', urls: ['https://router.example/'] }
const utf8 = new TextEncoder()
const draft = (text: string) => ({ outline, content: utf8.encode(text), audience: { handlers: false, users: [] } })
const textOf = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes ?? undefined)

/** @throws Error that says what went another way */
export async function tellDevice({ others, roots, policy, ...story }: DeviceStory): Promise<void> {
  const { crypto } = story
  const [signing, opener] = [crypto.signingKey(), crypto.openingKey()]
  const { device, user } = await others.attach({ signing: signing.publicKey, sealing: opener.publicKey })
  const secret = await others.lock(PIN)

  const enclave = enclaveClient({ ...story, signing, store: forgetfulStore(), roots, policy })
  const strangers = enclaveClient({
    ...story,
    signing,
    store: forgetfulStore(),
    roots: { ...roots, software: [] },
    policy,
  })
  same('whose word does not count', await codeOf(strangers.attest()), 'key-unknown')
  same('the vault before', (await enclave.attest()).descriptor.state, 'locked')
  same('without the secret', await codeOf(enclave.unlock(PIN)), 'secret-wrong')
  await enclave.importSecret(secret)
  await enclave.unlock(PIN)
  same('the vault then', (await enclave.attest()).descriptor.state, 'unlocked')

  const paired = { ...story, device, signing, store: forgetfulStore() }
  const owner = await pairDevice(paired)
  const account = await openAccount({
    ...story,
    owner,
    signer: signing,
    opener,
    user: parseUserId(user),
    store: memory(),
  })
  const entry = await account.create(draft('first'))
  same(
    'listed',
    (await account.list()).entries.map((listed) => listed.outline?.title),
    [outline.title],
  )
  const written = await account.update(await account.get(entry), draft('second'))
  same('written', written.kind, 'written')
  same('read back', textOf((await account.get(entry)).content()), 'second')
  same('read by the other', await others.read(), 'second')

  const current = await account.get(entry)
  await others.revoke()
  // It is never answered: the vault does not know the device any more.
  void account.update(current, draft('third'))
  same('paired again', await codeOf(pairDevice({ ...paired, patienceMs: PATIENCE_MS })), 'bus-unavailable')
  same('read by the other at the end', await others.read(), 'second')
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    if (error instanceof Refusal) return error.code
    return error instanceof Error && 'code' in error ? String(error.code) : 'failed'
  }
}

function memory() {
  let kept: Uint8Array | undefined
  return {
    read: () => Promise.resolve(kept),
    write: (bytes: Uint8Array) => Promise.resolve(void (kept = bytes)),
  }
}
