/**
 * A bank with a vault of its own, and a person: an age is proven, a lease is signed, a statement is kept.
 *
 *     node examples/bank.ts
 *
 * Exits with 0 only if all of it came out as it should.
 */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { join } from 'node:path'

import { openIssuer } from '#client/issuer.ts'
import type { Question } from '#client/owner.ts'
import { mailbox } from '#host/commands/demo/mailbox.ts'
import { importEd25519, verifyEd25519 } from '#host/crypto/ed25519.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { signedStatement } from '../plugins/signing/statement.ts'
import { type Asker, connectAsker } from './asker.ts'
import { inFolder, type Person, startPerson, type Place } from './person.ts'

const BIRTH = '1990-04-12'
const SECRET_BYTES = 32
const statement = { from: '2026-10-01', balance: 1_204_50 }

await inFolder('bank', play)

async function play({ folder, image }: Place): Promise<void> {
  await using person = await startPerson('alice', { folder, image })
  await using bank = await connectAsker(person, {
    name: 'Rose Bank',
    folder: join(folder, 'bank'),
    events: ['identity.verify', 'document.sign', 'data.store', 'data.read', 'data.remove'],
    permissions: { store: { categories: ['statements'], bytesMax: 4_096 } },
    fields: [
      { name: 'age_over_21', tier: 'on-demand', purpose: 'to open an account', retention: { kind: 'until-revoked' } },
    ],
  })
  await proof(person, bank)
  await signature(person, bank)
  await ring(person, bank)
}

/** Over 21, by a driving licence whose birth date stays where it is. */
async function proof({ phone }: Person, bank: Asker): Promise<void> {
  const office = openIssuer(nativeCrypto, random())
  const claims = [
    ['age_over_21', true],
    ['birth_date', BIRTH],
  ] as const
  const credential = office.issue({ kind: 'driving-licence', expires: null, claims })
  await phone.addCredential('licence', { label: 'My licence', credential })
  const nonce = random()
  const asked = { claims: ['age_over_21'], nonce: nonce.toBase64({ alphabet: 'base64url', omitPadding: true }) }
  const answer = (await bank.ask('identity.verify', asked)) as { proof: string }
  const presentation = bytesOf(answer.proof)
  const expected = { nonce, issuers: [office.name], claims: ['age_over_21'] }
  deepEqual([...bank.verifyProof(presentation, expected).claims], [['age_over_21', true]])
  equal(Buffer.from(presentation).includes(BIRTH), false)
  console.log('proven to be over 21; the birth date is not in the', presentation.length, 'bytes')
  await rejects(bank.ask('identity.verify', { ...asked, claims: ['birth_date'] }), /field-undeclared/u)
  console.log('the birth date itself is not in the contract: refused before any handler runs')
}

/** A hash in, a signature out, and the title on the phone. */
async function signature({ phone }: Person, bank: Asker): Promise<void> {
  const questions = mailbox<Question>()
  phone.onQuestion(questions.put)
  const lease = new TextEncoder().encode('A lease for 12 Rose Lane.')
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', lease))
  const document = { algorithm: 'sha-256', hash, title: 'Lease, 12 Rose Lane' } as const
  const hex = hash.toBase64({ alphabet: 'base64url', omitPadding: true })
  const signing = bank.ask('document.sign', { ...document, hash: hex })
  const question = await questions.take()
  ok(question.text?.includes(document.title))
  console.log('the phone shows:', question.text)
  await phone.approve(question)
  const { signature: made, signedAt } = (await signing) as { signature: string; signedAt: number }
  const key = importEd25519(bank.documents)
  equal(verifyEd25519(key, { message: signedStatement(document, signedAt), signature: bytesOf(made) }), true)
  console.log('signed with the vault’s key for documents, as its profile names it')
}

/** What the bank keeps in the person's vault: within its contract, and seen by its owner. */
async function ring({ phone }: Person, bank: Asker): Promise<void> {
  const item = { key: 'october', category: 'statements', visibility: 'transparent', json: statement }
  const { revision } = (await bank.ask('data.store', item)) as { revision: number }
  await rejects(bank.ask('data.store', { ...item, expected: revision + 1 }), /conflict/u)
  await rejects(bank.ask('data.store', { ...item, key: 'photo', category: 'photos' }), /category/u)
  const large = { ...item, key: 'large', json: 'x'.repeat(5_000) }
  await rejects(bank.ask('data.store', large), /full|bytes/u)
  console.log('kept in the category and the bytes of its contract, and compared before it is written over')
  const { items } = await phone.items(bank.connection)
  const seen = items.find(({ key }) => key.endsWith('october'))?.value
  ok(seen && new TextDecoder().decode(seen).includes(String(statement.balance)))
  console.log('the owner sees it:', new TextDecoder().decode(seen))
  await bank.ask('data.remove', { key: 'october' })
  equal((await phone.items(bank.connection)).items.length, 0)
  console.log('and the bank takes it away again')
}

function random(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(SECRET_BYTES))
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.fromBase64(text, { alphabet: 'base64url' })
}
