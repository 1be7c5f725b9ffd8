/** A vault on a folder, its owner's phone, and a service that asks it one thing, over whatever bus there is. */
import { type Offer, type OwnerDevice, pairDevice } from '#client/owner.ts'
import { connect, discover } from '#client/service.ts'
import { forgetfulStore, type Transport } from '#client/transport.ts'
import { type Contract, signContract } from '#host/contracts/contract.ts'
import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { fingerprint } from '#host/vault/vault.ts'
import { mailbox } from './demo/mailbox.ts'
import { openFolder } from './open.ts'
import { surroundings } from './surroundings.ts'

export interface Alice {
  readonly identity: Uint8Array
  readonly signing: SigningKey
}

const ADDRESS = { shipping_address: '12 Rose Lane' }

/** Makes the vault `alice` in a folder that no host runs on. */
export async function foundAlice(data: string): Promise<Alice> {
  await using opened = await openFolder(data, { create: true })
  const signing = generateSigningKey()
  const device = { id: 'phone', label: 'phone', verifyKey: signing.publicKey }
  const vault = await opened.vaults.create('alice', { device, fields: ADDRESS, now: surroundings.now() })
  return { identity: fingerprint(vault), signing }
}

export function pairPhone({ identity, signing }: Alice, transport: Transport): Promise<OwnerDevice> {
  const to = { vault: 'alice', identity, device: 'phone', signing, transport, store: forgetfulStore() }
  return pairDevice({ ...surroundings, ...to })
}

/** Invites a service, accepts its contract, and has it ask for the address. @returns what it was answered */
export async function askOnce(phone: OwnerDevice, transport: Transport): Promise<unknown> {
  const signing = generateSigningKey()
  const options = { ...surroundings, transport, store: forgetfulStore(), signing }
  const invitation = await phone.invite('Acme', 'service')
  const profile = await discover(invitation, options)
  const offers = mailbox<Offer>()
  phone.onOffer(offers.put)
  const connecting = connect(
    invitation,
    { profile, contract: signContract(nativeCrypto, terms(signing), signing) },
    options,
  )
  await phone.accept(await offers.take(), [])
  const { conversation } = await connecting
  const body = new TextEncoder().encode(JSON.stringify({ fields: 'all' }))
  const reply = await (await conversation.request('data.request', body, { lifeMs: 3_600_000 })).answer
  return reply.status === 'replied' ? JSON.parse(new TextDecoder().decode(reply.body)) : reply
}

function terms(signing: SigningKey): Contract {
  return {
    service: { name: 'Acme', identity: identityId(nativeCrypto, signing.publicKey), links: {} },
    id: 'terms',
    version: 1,
    publishedAt: surroundings.now(),
    fields: [{ name: 'shipping_address', tier: 'required', purpose: 'to ship', retention: { kind: 'until-revoked' } }],
    permissions: { events: ['data.request'], store: null, messages: false, authentication: false, payment: false },
    limits: { requestsPerHour: 10, storageBytes: 0 },
  }
}
