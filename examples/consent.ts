/**
 * A patient's vault and a clinic with a vault of its own: who may see which records, for what, and until when.
 *
 *     node examples/consent.ts
 *
 * Exits with 0 only if all of it came out as it should.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { join } from 'node:path'

import type { OwnerDevice, Question } from '#client/owner.ts'
import { readAudit } from '#host/commands/audit.ts'
import { type Mailbox, mailbox } from '#host/commands/demo/mailbox.ts'
import { type Asker, connectAsker } from './asker.ts'
import { inFolder, type Person, startPerson, type Place } from './person.ts'

const HOUR_MS = 3_600_000
const SOON_MS = 5_000
const systems = {
  purpose: 'http://terminology.hl7.org/CodeSystem/v3-ActReason',
  type: 'http://hl7.org/fhir/fhir-types',
}

interface Decision {
  readonly decision: string
  readonly until: number | null
  readonly emergency: string | null
  readonly records: readonly { readonly why: string; readonly provision: string | null }[]
}

await inFolder('consent', play)

async function play({ folder, image }: Place): Promise<void> {
  await using patient = await startPerson('patient', { folder, image })
  const events = ['consent.grant', 'consent.check', 'consent.read', 'consent.revoke']
  await using clinic = await connectAsker(patient, { name: 'Rosenheim Clinic', folder: join(folder, 'clinic'), events })
  const scene = sceneOf(patient, clinic)
  equal((await scene.check('TREAT', 'Observation/hb')).decision, 'deny')
  console.log('nothing is permitted yet: what is not permitted is denied')
  const id = await treatment(scene)
  await proposal(scene)
  await billing(scene)
  await emergency(scene)
  await scene.phone.run('consent.revoke', { consent: id })
  equal((await scene.check('TREAT', 'Observation/hb')).decision, 'deny')
  const { consents } = (await clinic.ask('consent.read', {})) as { consents: { consent: { status: string } }[] }
  deepEqual(consents.map(({ consent }) => consent.status).toSorted(), ['active', 'inactive'])
  console.log('the clinic reads back what it brought in: one ended, one of the emergency')
  await patient.leave()
  const { rows } = await readAudit(join(folder, 'patient'), 'patient')
  const checks = rows.filter(({ eventType }) => eventType === 'consent.check')
  deepEqual(
    checks.filter(({ result }) => result !== 'replied').map(({ result }) => result),
    ['pending', 'approved'],
  )
  console.log(`in the audit trail: ${checks.length} rows of checks, the emergency asked and approved`)
}

interface Scene {
  readonly patient: Person
  readonly phone: OwnerDevice
  readonly clinic: Asker
  readonly questions: Mailbox<Question>
  /** What the clinic is told about one record. */
  readonly check: (purpose: string, reference: string, more?: object) => Promise<Decision>
  /** Records a consent from the phone, and gives its id. */
  readonly grant: (provisions: readonly object[]) => Promise<string>
  /** The clinic's access to observations, on these further conditions. */
  readonly observations: (conditions: object) => object
}

function sceneOf(patient: Person, clinic: Asker): Scene {
  const { phone } = patient
  const questions = mailbox<Question>()
  phone.onQuestion(questions.put)
  const actor = [{ reference: { identifier: { system: 'urn:vine:connection', value: clinic.connection } } }]
  return {
    patient,
    phone,
    clinic,
    questions,
    async check(purpose, reference, more = {}) {
      const records = [{ type: 'Observation', reference }]
      return (await clinic.ask('consent.check', { action: 'access', purpose, records, ...more })) as Decision
    },
    async grant(provision) {
      const consent = { resourceType: 'Consent', status: 'active', decision: 'deny', provision }
      const recorded = (await phone.run('consent.grant', { consent })) as { consent: { id: string } }
      const { id } = recorded.consent
      deepEqual(recorded.consent, { ...consent, id })
      return id
    },
    observations: (conditions) => ({
      actor,
      resourceType: [{ system: systems.type, code: 'Observation' }],
      ...conditions,
    }),
  }
}

/** The owner permits treatment, but for one record. */
async function treatment({ check, grant, observations }: Scene): Promise<string> {
  const except = [{ data: [{ meaning: 'instance', reference: { reference: 'Observation/hiv' } }] }]
  const id = await grant([observations({ purpose: forPurpose('TREAT'), provision: except })])
  const blood = await check('TREAT', 'Observation/hb')
  equal(blood.decision, 'permit')
  console.log('permitted for treatment:', blood.records[0]?.why)
  const hiv = await check('TREAT', 'Observation/hiv')
  deepEqual([hiv.decision, hiv.records[0]?.provision], ['deny', 'provision[0].provision[0]'])
  console.log('but not this one:', hiv.records[0]?.why)
  equal((await check('HRESCH', 'Observation/hb')).decision, 'deny')
  return id
}

/** The clinic proposes more, the owner says yes, and takes it back. */
async function proposal({ check, clinic, phone, questions, observations }: Scene): Promise<void> {
  const provision = [observations({})]
  const consent = { resourceType: 'Consent', status: 'active', decision: 'deny', provision }
  const proposed = clinic.ask('consent.grant', { consent })
  const question = await questions.take()
  console.log('the clinic proposes, the phone shows:', question.text)
  await phone.approve(question)
  const recorded = (await proposed) as { consent: { id: string } }
  equal((await check('HRESCH', 'Observation/hb')).decision, 'permit')
  equal((await check('TREAT', 'Observation/hiv')).decision, 'deny')
  console.log('approved: research is permitted, and what was denied stays denied, since a deny overrides')
  await phone.run('consent.revoke', { consent: recorded.consent.id })
  equal((await check('HRESCH', 'Observation/hb')).decision, 'deny')
  console.log('revoked: it ended at once')
}

/** A consent that is over in a moment. */
async function billing({ check, grant, observations }: Scene): Promise<void> {
  const until = Date.now() + SOON_MS
  const period = { end: new Date(until - 1).toISOString() }
  await grant([observations({ purpose: forPurpose('HPAYMT'), period })])
  const before = await check('HPAYMT', 'Observation/hb')
  // On a slow machine it may be over already.
  if (Date.now() < until) deepEqual([before.decision, before.until], ['permit', until])
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, until - Date.now())))
  equal((await check('HPAYMT', 'Observation/hb')).decision, 'deny')
  console.log('expired: billing was permitted for five seconds')
}

/** Nobody permitted the ECG; in an emergency the owner is asked. */
async function emergency({ check, patient, phone, questions }: Scene): Promise<void> {
  const notices = patient.notices('consent.emergency')
  const urgent = check('ETREAT', 'Observation/ecg', { reason: 'unconscious, chest pain' })
  const question = await questions.take()
  console.log('the phone shows:', question.text, question.choices)
  const from = Date.now()
  await phone.approve(question, '1 hour')
  const opened = await urgent
  equal(opened.decision, 'permit')
  ok(opened.until !== null && opened.until >= from + HOUR_MS && opened.until <= Date.now() + HOUR_MS)
  const notice = JSON.parse(new TextDecoder().decode(await notices.take())) as { consent: string; reason: string }
  deepEqual([notice.consent, notice.reason], [opened.emergency, 'unconscious, chest pain'])
  console.log('opened for one hour, recorded, and the owner told why:', notice.reason)
  const again = await check('ETREAT', 'Observation/ecg', { reason: 'still there' })
  deepEqual([again.decision, again.emergency, again.until], ['permit', null, opened.until])
}

function forPurpose(code: string): readonly object[] {
  return [{ system: systems.purpose, code }]
}
