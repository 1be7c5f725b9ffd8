/** `consent.check`: may this connection do this, to these records, for this purpose? */
import { current as answer } from 'trellis:handler/approval@0.1.0'
import { notifyOwner } from 'trellis:handler/outbox@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { reply } from '../sdk/json.ts'
import { refuse } from '../sdk/refuse.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { type Asked, type AskedRecord, decide, holdsUntil, relevant, type Verdict } from './decide.ts'
import { chosenMs, emergencyChoices, emergencyConsent } from './emergency.ts'
import { printConsent } from './fhir-print.ts'
import { invalid, isPlain, wordOf } from './fields.ts'
import type { Ledger } from './ledger.ts'
import { type Coding, isRecordReference, isResourceType } from './model.ts'
import { isEmergency, isPurpose } from './purposes.ts'
import { compile, type Rule, token } from './rules.ts'
import { type Asker, question, wordsOfConsent } from './words.ts'

const MINUTE_MS = 60_000
const NAME_CHARS_MAX = 64
const TOKEN_CHARS_MAX = 256

/** The request, as the manifest's schema lets it through. */
export interface CheckRequest {
  readonly actor?: string
  readonly action: string
  readonly purpose: string
  readonly records: readonly RequestedRecord[]
  readonly reason?: string
}

interface RequestedRecord {
  readonly type: string
  readonly reference?: string
  readonly documentTypes?: readonly Coding[]
  readonly labels?: readonly Coding[]
  readonly codes?: readonly Coding[]
}

/** What a check works with. */
export interface Desk {
  readonly ledger: Ledger
  readonly asker: Asker
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly newId: () => string
}

export function check(request: CheckRequest, desk: Desk): Outcome {
  const { ledger, asker, now } = desk
  const asked = askedBy(asker, request)
  const questions = request.records.map((record, index) => ({ ...asked, record: recordOf(record, index) }))
  const rules = relevant(ledger.rulesFor(asker.id), questions)
  const verdicts = questions.map((one) => decide(rules, one, now))
  const undecided = questions.filter((_, index) => verdicts[index]?.by === null).map(({ record }) => record)
  // One deny is final: no emergency opens what the owner has closed.
  const isDenied = verdicts.some(({ decision, by }) => decision === 'deny' && by !== null)
  if (isEmergency(asked.purpose) && undecided.length > 0 && !isDenied) {
    const opened = inEmergency(asked, undecided, { reason: request.reason, desk })
    if (opened === 'asked') return ask(asked, undecided, { reason: request.reason ?? '', asker })
    if (opened !== undefined) {
      const all = [...rules, opened]
      return answerOf(
        questions.map((one) => decide(all, one, now)),
        holdsUntil(all, questions, now),
        opened.consent,
      )
    }
  }
  return answerOf(verdicts, holdsUntil(rules, questions, now))
}

function askedBy({ id }: Asker, { actor, action, purpose }: CheckRequest): Asked {
  if (!isPurpose(purpose)) return refuse('purpose-unknown', 'send a purpose of use of HL7 v3-ActReason, such as TREAT')
  const name = actor === undefined ? {} : { name: wordOf(actor, 'actor', NAME_CHARS_MAX) }
  return { connection: id, ...name, action, purpose }
}

function recordOf(record: RequestedRecord, index: number): AskedRecord {
  const { type, reference, documentTypes, labels, codes } = record
  const path = `records[${index}]`
  if (!isResourceType(type)) return invalid(`${path}.type`, 'must be a FHIR resource type')
  const isOfType = reference === undefined || (isRecordReference(reference) && reference.startsWith(`${type}/`))
  if (!isOfType) return invalid(`${path}.reference`, `must be ${type}/id`)
  const tokens = (codings: readonly Coding[], name: string): readonly string[] =>
    codings.map((coding) => wordOf(token(coding), `${path}.${name}`, TOKEN_CHARS_MAX))
  return {
    type,
    ...(reference !== undefined && { reference }),
    ...(documentTypes && { documents: tokens(documentTypes, 'documentTypes') }),
    ...(labels && { labels: tokens(labels, 'labels') }),
    ...(codes && { codes: tokens(codes, 'codes') }),
  }
}

/** The rule that was granted on the spot; `asked` when the owner has to say; undefined when there is to be none. */
function inEmergency(
  asked: Asked,
  records: readonly AskedRecord[],
  { reason = '', desk }: { reason: string | undefined; desk: Desk },
): Rule | 'asked' | undefined {
  const policy = desk.ledger.policy()
  if (policy.mode === 'never') return undefined
  if (reason.trim() === '' || !isPlain(reason)) {
    return refuse('reason-needed', 'say in one line why this cannot wait: the owner reads it')
  }
  if (policy.mode === 'named' && policy.connections.includes(asked.connection)) {
    return grant(asked, records, { reason, desk, by: 'policy', lifeMs: policy.minutes * MINUTE_MS })
  }
  const said = answer()
  const lifeMs = said.tag === 'chosen' ? chosenMs(said.val) : undefined
  return lifeMs === undefined ? 'asked' : grant(asked, records, { reason, desk, by: 'owner', lifeMs })
}

function grant(
  asked: Asked,
  records: readonly AskedRecord[],
  how: { reason: string; desk: Desk; by: 'owner' | 'policy'; lifeMs: number },
): Rule {
  const { reason, by } = how
  const { ledger, asker, now, newId } = how.desk
  const id = newId()
  const until = now + how.lifeMs
  const consent = { ...emergencyConsent(asked, records, { now, until }), id }
  ledger.record(id, { consent: printConsent(consent), at: now, from: asked.connection, emergency: { reason, by } })
  const notice = { consent: id, connection: asker.alias, by, reason, until, words: wordsOfConsent(consent, asker) }
  notifyOwner('consent.emergency', encodeUtf8(JSON.stringify(notice)))
  const rule = compile(consent, id).get(asked.connection)
  if (rule === undefined) throw new Error('an emergency consent has no rule for who asked')
  return rule
}

function ask(
  asked: Asked,
  records: readonly AskedRecord[],
  { reason, asker }: { reason: string; asker: Asker },
): Outcome {
  const words = wordsOfConsent(emergencyConsent(asked, records), asker)
  // The reason comes last: whatever it says, nothing that matters is behind it.
  const text = question(`Emergency: ${words}? ${asker.alias} says: ${reason}`)
  return { tag: 'suspended', val: { text, choices: [...emergencyChoices] } }
}

function answerOf(verdicts: readonly Verdict[], until: number | undefined, emergency?: string): Outcome {
  return reply({
    decision: verdicts.every(({ decision }) => decision === 'permit') ? 'permit' : 'deny',
    until: until ?? null,
    emergency: emergency ?? null,
    records: verdicts.map((verdict) => ({
      decision: verdict.decision,
      consent: verdict.by?.consent ?? null,
      provision: verdict.by?.at ?? null,
      why: whyOf(verdict),
      open: verdict.open,
    })),
  })
}

function whyOf({ decision, by, open }: Verdict): string {
  if (by === null) return 'no consent decides: what is not permitted is denied'
  const what = by.at === '' ? 'the decision' : by.at
  const unless = open.length === 0 ? '' : `, as long as you do not say: ${open.join(', ')}`
  return `${what} of consent ${by.consent} ${decision === 'permit' ? 'permits' : 'denies'} it${unless}`
}
