/**
 * Five vaults, of which three have to approve a transfer: that of the company which holds it, three directors' on hosts
 * of their own, and a custodian's, which is a service.
 *
 *     node examples/multi-signature.ts
 *
 * Exits with 0 only if all of it came out as it should.
 */
import { deepEqual, equal, match } from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { join } from 'node:path'

import type { Mailbox } from '#host/commands/demo/mailbox.ts'
import type { Sharing } from '#host/contracts/sharing.ts'
import { decodeCbor } from '#host/wire/cbor.ts'
import { proposalHash, type Release, releaseMessage, voteMessage } from '../plugins/multi-signature/statement.ts'
import { releaseMistake } from '../plugins/multi-signature/verify.ts'
import { type Asker, connectAsker } from './asker.ts'
import { inFolder, type Person, startPerson, wire, type Place } from './person.ts'

/** What the company lets directors do in its vault, and what each of them lets the company do in theirs. */
const sharing = (events: readonly string[]): Sharing => ({
  events,
  store: null,
  messages: true,
  authentication: false,
  requestsPerHour: 1_000,
})
const ofCompany = sharing(['transfer.vote', 'transfer.status'])
const ofDirector = sharing(['transfer.ask', 'transfer.released'])
const directors = ['ann', 'ben', 'cleo'] as const
const SOON_MS = 3_000

interface Status {
  readonly state: string
  readonly hash: string
  readonly approvals: number
  readonly missing: number
  readonly waiting: readonly string[]
  readonly proposal: { readonly id: string }
  readonly release: Release | null
}

/** A director's vault, and the company as it is known there. */
interface Director {
  readonly person: Person
  readonly atCompany: string
  readonly company: string
  readonly answers: Mailbox<Uint8Array>
  readonly asked: Mailbox<Uint8Array>
  readonly released: Mailbox<Uint8Array>
}

await inFolder('multi-signature', play)

async function play({ folder, image }: Place): Promise<void> {
  await using parts = new AsyncDisposableStack()
  const company = parts.use(await startPerson('company', { folder, image }))
  const joined: Director[] = []
  for (const name of directors) {
    const person = parts.use(await startPerson(name, { folder, image }))
    await wire(company, person)
    joined.push(await connect(company, person))
  }
  const events = ['transfer.vote', 'transfer.status']
  const custodian = parts.use(
    await connectAsker(company, { name: 'Custodian', folder: join(folder, 'custodian'), events }),
  )
  const keys = generateKeyPairSync('ed25519')
  const members = [
    { name: 'company' },
    ...(await Promise.all(
      joined.map(async ({ person, atCompany }) => {
        return { name: person.vault, connection: atCompany, key: await documentKey(person) }
      }),
    )),
    {
      name: 'Custodian',
      connection: custodian.connection,
      key: keys.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64url'),
    },
  ]
  await company.phone.run('transfer.policy', { threshold: 3, members })
  console.log('policy: three of', members.map(({ name }) => name).join(', '))
  const release = await decide({ company, joined, custodian, keys })
  await judge(release, await documentKey(company))
  await tooLate(company, joined)
}

interface Cast {
  readonly company: Person
  readonly joined: readonly Director[]
  readonly custodian: Asker
  /** The custodian's. */
  readonly keys: { readonly privateKey: KeyObject }
}

/** Three approve in the end; what is no vote does not count. */
async function decide({ company, joined, custodian, keys }: Cast): Promise<Release> {
  const [ann, ben, cleo] = joined
  if (!ann || !ben || !cleo) throw new Error('there are three directors')
  const proposed = await propose(company, {})
  const { id } = proposed.proposal
  const status = async (): Promise<Status> => (await company.phone.run('transfer.status', { id })) as Status
  for (const { asked, person } of joined) {
    const { id: shown, payee } = readJson(await asked.take()) as { id: string; payee: string }
    deepEqual([shown, payee], [id, 'Builder GmbH'])
    console.log(`${person.vault} is asked`)
  }
  for (let twice = 0; twice < 2; twice++) equal(await vote(ann, id, 'approve'), 'replied')
  equal((await status()).approvals, 1)
  console.log('ann approves twice: one vote')

  const ballot = { id, hash: proposed.hash, choice: 'approve', at: Date.now() } as const
  const own = sign(null, voteMessage(ballot), keys.privateKey).toString('base64url')
  const stranger = generateKeyPairSync('ed25519').privateKey
  const forged = sign(null, voteMessage(ballot), stranger).toString('base64url')
  match(await refusal(custodian.ask('transfer.vote', { ...ballot, signature: forged })), /vote-invalid/u)
  equal((await status()).approvals, 1)
  console.log('a forged signature: no vote')

  await company.phone.run('transfer.cast', { id, choice: 'approve' })
  equal(await vote(ben, id, 'reject'), 'replied')
  const { approvals, missing, waiting } = await status()
  deepEqual([approvals, missing, waiting], [2, 1, ['cleo', 'Custodian']])
  console.log('the company approves, ben rejects: one is missing of', waiting.join(' and '))
  equal(await vote(ben, id, 'approve'), 'replied')
  const { state, release } = await status()
  equal(state, 'released')
  if (!release) throw new Error('it has a release')
  console.log('ben changes his mind: released')

  equal(await vote(cleo, id, 'reject'), 'transfer-closed')
  match(await refusal(custodian.ask('transfer.vote', { ...ballot, signature: own })), /transfer-closed/u)
  deepEqual((await status()).release, release)
  console.log('votes after that do not count')
  for (const { released } of joined) {
    deepEqual((readJson(await released.take()) as { release: Release }).release, release)
  }
  console.log('every director has the same release')
  return release
}

/** Somebody who knows none of them but the company's key, from its profile, and has a library of their own. */
async function judge(release: Release, companyKey: string): Promise<void> {
  equal(releaseMistake(release), undefined)
  const { proposal, votes, signature } = release
  equal(proposal.host, companyKey)
  ok(release.proposal.host, releaseMessage(release), signature)
  for (const { key, choice, at, signature: voted } of votes) {
    ok(key, voteMessage({ id: proposal.id, hash: proposalHash(proposal), choice, at }), voted)
  }
  console.log(`anybody can check it: ${votes.length} of ${proposal.members.length} signed`)
  const changed = { ...release, proposal: { ...proposal, payee: 'Mallory' } }
  equal(releaseMistake(changed), 'a vote is not signed by its member')
}

/** Nobody decides in time. */
async function tooLate(company: Person, [ann]: readonly Director[]): Promise<void> {
  if (!ann) throw new Error('ann votes')
  const { proposal } = await propose(company, { expires: Date.now() + SOON_MS })
  await ann.asked.take()
  await new Promise((resolve) => setTimeout(resolve, SOON_MS))
  const cast = ann.person.phone.run('transfer.cast', { id: proposal.id, choice: 'approve' }, ann.company)
  match(await refusal(cast), /transfer-expired/u)
  const { state } = (await company.phone.run('transfer.status', { id: proposal.id })) as Status
  equal(state, 'expired')
  console.log('another one expired: a late vote does not count')
}

async function propose(company: Person, changes: object): Promise<Status> {
  const transfer = { amountMinor: 2_500_000, currency: 'EUR', payee: 'Builder GmbH', purpose: 'Second instalment' }
  return (await company.phone.run('transfer.propose', { ...transfer, ...changes })) as Status
}

/** The company invites, the director dials, both accept. */
async function connect(company: Person, person: Person): Promise<Director> {
  const ready = company.notices('connection.ready')
  const invitation = await company.phone.invitePeer(person.vault, { name: 'Company', sharing: ofCompany })
  const at = await person.phone.connectPeer('Company', invitation, { name: person.vault, sharing: ofDirector })
  await company.phone.accept(await company.offers.take(), [])
  await person.phone.accept(await person.offers.take(), [])
  await ready.take()
  const [answers, asked] = [person.notices('peer.answered'), person.notices('transfer.asked')]
  const released = person.notices('transfer.released')
  return { person, atCompany: invitation.connection, company: at, answers, asked, released }
}

/** The director's vault signs and sends it; what the company's vault said comes back: `replied`, or why not. */
async function vote({ person, company, answers }: Director, id: string, choice: string): Promise<string> {
  await person.phone.run('transfer.cast', { id, choice }, company)
  const { status, code } = decodeCbor(await answers.take()) as { status: string; code?: string }
  return code ?? status
}

async function documentKey({ phone }: Person): Promise<string> {
  const identity = (await phone.keys()).find(({ alias }) => alias === 'identity')
  if (!identity) throw new Error('every vault has one')
  return Buffer.from(identity.publicKey).toString('base64url')
}

async function refusal(asked: Promise<unknown>): Promise<string> {
  return asked.then(
    () => 'it was not refused',
    (error: unknown) => String(error),
  )
}

/** By the platform's own Ed25519. */
function ok(key: string, message: Uint8Array, signature: string): void {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: key }
  equal(verify(null, message, createPublicKey({ key: jwk, format: 'jwk' }), Buffer.from(signature, 'base64url')), true)
}

function readJson(body: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(body)) as unknown
}
