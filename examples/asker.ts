/** A service of an example, with a vault of its own, connected to a person's under a contract for some event types. */
import { type Connected, connect, discover } from '#client/service.ts'
import { storeIn } from '#host/commands/demo/troupe.ts'
import { openFolder } from '#host/commands/open.ts'
import { surroundings } from '#host/commands/surroundings.ts'
import { type Contract, signContract } from '#host/contracts/contract.ts'
import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import type { Person } from './person.ts'

const REQUEST_LIFE_MS = 3_600_000

export interface Asker extends AsyncDisposable {
  /** The connection's id in the person's vault. */
  readonly connection: string
  /** The vault's key for documents, from its profile. */
  readonly documents: Uint8Array
  readonly verifyProof: Connected['verifyProof']
  /** The reply as JSON. @throws Error with the code of a refusal */
  ask(type: string, body: unknown): Promise<unknown>
}

export async function connectAsker(
  person: Person,
  options: {
    readonly name: string
    readonly folder: string
    readonly events: readonly string[]
    /** What its contract asks for beyond events. */
    readonly permissions?: Partial<Contract['permissions']>
    readonly fields?: Contract['fields']
  },
): Promise<Asker> {
  const { name, events, permissions = {}, fields = [] } = options
  const none = { store: null, messages: false, authentication: false, payment: false }
  const signing = generateSigningKey()
  await using parts = new AsyncDisposableStack()
  const { vaults } = parts.use(await openFolder(options.folder, { create: true }))
  const device = { id: 'operator', label: 'operator', verifyKey: generateSigningKey().publicKey }
  const { store } = await vaults.create('asker', { device, fields: { name }, now: surroundings.now() })
  const own = { ...surroundings, transport: parts.use(person.broker.connect()), store: storeIn(store), signing }
  const contract = signContract(
    nativeCrypto,
    {
      service: { name, identity: identityId(nativeCrypto, signing.publicKey), links: {} },
      id: 'terms',
      version: 1,
      publishedAt: surroundings.now(),
      fields,
      permissions: { events: [...events], ...none, ...permissions },
      limits: { requestsPerHour: 1_000, storageBytes: permissions.store?.bytesMax ?? 0 },
    },
    signing,
  )
  const invitation = await person.phone.invite(name, 'service')
  const profile = await discover(invitation, own)
  const connecting = connect(invitation, { profile, contract }, own)
  await person.phone.accept(await person.offers.take(), [])
  const connected = await connecting
  const owned = parts.move()
  return {
    connection: invitation.connection,
    documents: profile.documents,
    verifyProof: (presentation, asked) => connected.verifyProof(presentation, asked),
    async ask(type, body) {
      const bytes = new TextEncoder().encode(JSON.stringify(body))
      const reply = await (await connected.conversation.request(type, bytes, { lifeMs: REQUEST_LIFE_MS })).answer
      if (reply.status === 'replied') return JSON.parse(new TextDecoder().decode(reply.body)) as unknown
      throw new Error(reply.status === 'refused' ? `${type}: ${reply.code}: ${reply.message}` : reply.status)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
