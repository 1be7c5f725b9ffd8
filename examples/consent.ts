/**
 * A patient's vault and a clinic with a vault of its own: who may see which records, for what, and until when.
 *
 *     node examples/consent.ts
 *
 * Exits with 0 only if all of it came out as it should.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Question } from '#client/owner.ts'
import { mailbox } from '#host/commands/demo/mailbox.ts'
import { makeImage } from '../scripts/build-image.ts'
import { connectAsker } from './asker.ts'
import { startPerson } from './person.ts'

const HOUR_MS = 3_600_000
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

const folder = await mkdtemp(join(tmpdir(), 'trellis-consent-'))
try {
  await play()
} finally {
  await rm(folder, { recursive: true })
}

async function play(): Promise<void> {
  const image = join(folder, 'image')
  await makeImage(image)
  await using patient = await startPerson('patient', { folder, image })
  const questions = mailbox<Question>()
  patient.phone.onQuestion(questions.put)
  const { phone } = patient
  const events = ['consent.grant', 'consent.check', 'consent.read', 'consent.revoke']
  await using clinic = await connectAsker(patient, { name: 'Rosenheim Clinic', folder: join(folder, 'clinic'), events })
  const actor = [{ reference: { identifier: { system: 'urn:vine:connection', value: clinic.connection } } }]
  const check = async (purpose: string, reference: string, more: object = {}): Promise<Decision> => {
    const record = { type: 'Observation', reference, labels: [] }
    return (await clinic.ask('consent.check', { action: 'access', purpose, records: [record], ...more })) as Decision
  }
  const granted = async (consent: object): Promise<string> => {
    const whole = { resourceType: 'Consent', status: 'active', decision: 'deny', ...consent }
    const { consent: recorded } = (await phone.run('consent.grant', { consent: whole })) as { consent: { id: string } }
    deepEqual(recorded, { ...whole, id: recorded.id })
    return recorded.id
  }

  equal((await check('TREAT', 'Observation/hb')).decision, 'deny')
  console.log('nothing is permitted yet: what is not permitted is denied')

  const soon = Date.now() + 3_000
  const observations = { actor, resourceType: [{ system: systems.type, code: 'Observation' }] }
  const treatment = await granted({
    provision: [
      {
        ...observations,
        purpose: [{ system: systems.purpose, code: 'TREAT' }],
        provision: [{ data: [{ meaning: 'instance', reference: { reference: 'Observation/hiv' } }] }],
      },
      {
        ...observations,
        period: { end: new Date(soon - 1).toISOString() },
        purpose: [{ system: systems.purpose, code: 'HPAYMT' }],
      },
    ],
  })
  const blood = await check('TREAT', 'Observation/hb')
  equal(blood.decision, 'permit')
  console.log('permitted for treatment:', blood.records[0]?.why)
  const hiv = await check('TREAT', 'Observation/hiv')
  deepEqual([hiv.decision, hiv.records[0]?.provision], ['deny', 'provision[0].provision[0]'])
  console.log('but not this one:', hiv.records[0]?.why)
  equal((await check('HRESCH', 'Observation/hb')).decision, 'deny')

  const proposal = { resourceType: 'Consent', status: 'active', decision: 'deny', provision: [observations] }
  const proposed = clinic.ask('consent.grant', { consent: proposal })
  const asked = await questions.take()
  console.log('the clinic proposes, the phone shows:', asked.text)
  await phone.approve(asked)
  const { consent: wide } = (await proposed) as { consent: { id: string } }
  equal((await check('HRESCH', 'Observation/hb')).decision, 'permit')
  equal((await check('TREAT', 'Observation/hiv')).decision, 'deny')
  console.log('approved: research is permitted, and what was denied stays denied, since a deny overrides')
  await phone.run('consent.revoke', { consent: wide.id })
  equal((await check('HRESCH', 'Observation/hb')).decision, 'deny')
  console.log('revoked: it ended at once')

  const billing = await check('HPAYMT', 'Observation/hb')
  if (billing.decision === 'permit') equal(billing.until, soon)
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, soon - Date.now())))
  equal((await check('HPAYMT', 'Observation/hb')).decision, 'deny')
  console.log('expired: billing was permitted for three seconds')

  await emergency()

  await phone.run('consent.revoke', { consent: treatment })
  equal((await check('TREAT', 'Observation/hb')).decision, 'deny')
  const { consents } = (await clinic.ask('consent.read', {})) as { consents: { consent: { status: string } }[] }
  deepEqual(consents.map(({ consent }) => consent.status).sort(), ['active', 'inactive'])
  console.log('the clinic reads back what it brought in: one ended, one of the emergency')

  async function emergency(): Promise<void> {
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
}
