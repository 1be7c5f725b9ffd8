/** `consent.grant`, `.revoke`, `.check`, `.read`, `.emergency`: who may see which health records, and why. */
import { current as answer } from 'trellis:handler/approval@0.1.0'
import { now } from 'trellis:handler/clock@0.1.0'
import { bytes } from 'trellis:handler/random@0.1.0'
import { current } from 'trellis:handler/session@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { parseJson, reply } from '../sdk/json.ts'
import { refuse } from '../sdk/refuse.ts'
import { check, type CheckRequest, type Desk } from './check.ts'
import { parseConsent } from './fhir.ts'
import { printConsent } from './fhir-print.ts'
import type { Fields } from './fields.ts'
import { type EmergencyPolicy, type Entry, openLedger, OWNER } from './ledger.ts'
import { question, wordsOfConsent } from './words.ts'

const ID_BYTES = 16
/** One consent as JSON: a page of sixteen fits one answer. */
const CONSENT_CHARS_MAX = 16_384

interface Asking extends Desk {
  /** The owner's device asks, and not a connection. */
  readonly isOwner: boolean
}

export function handle(body: Uint8Array): Outcome {
  const { connection, connectionId, kind, eventType } = current()
  const isOwner = kind === 'owner'
  const time = now()
  const asking: Asking = {
    ledger: openLedger(time),
    asker: { id: isOwner ? OWNER : connectionId, alias: connection },
    now: time,
    isOwner,
    newId: () => bytes(ID_BYTES).reduce((text, byte) => text + byte.toString(16).padStart(2, '0'), ''),
  }
  const request = parseJson(body)
  switch (eventType) {
    case 'consent.grant':
      return grant(request as { consent: unknown }, asking)
    case 'consent.revoke':
      return revoke(request as { consent: string }, asking)
    case 'consent.check':
      return check(request as CheckRequest, asking)
    case 'consent.read':
      return readBack(request as { consent?: string; after?: string }, asking)
    case 'consent.emergency':
      return setPolicy(request as EmergencyPolicy, asking)
    default:
      throw new Error(`no event type ${eventType} in the manifest`)
  }
}

function grant(request: { consent: unknown }, asking: Asking): Outcome {
  const { ledger, asker } = asking
  const consent = parseConsent(request.consent)
  if (consent.status !== 'active') return refuse('consent-not-active', 'send a consent whose status is active')
  if (JSON.stringify(request.consent).length > CONSENT_CHARS_MAX) {
    return refuse('consent-too-large', `send at most ${CONSENT_CHARS_MAX} characters of JSON`)
  }
  // Only what the owner was shown in full can be the owner's consent.
  if (mustAsk(asking)) return askOwner(`${asker.alias} asks for your consent: ${wordsOfConsent(consent, asker)}?`)
  const id = asking.newId()
  // As FHIR's create does: an id that was sent is not kept.
  const recorded = printConsent({ ...consent, id })
  ledger.record(id, { consent: recorded, at: asking.now, from: asker.id })
  return reply({ consent: recorded })
}

function revoke({ consent: id }: { consent: string }, asking: Asking): Outcome {
  const { ledger, asker } = asking
  const entry = entryFor(id, asking)
  if (entry.revokedAt !== undefined) return reply({ consent: entry.consent })
  if (mustAsk(asking)) {
    const words = wordsOfConsent(parseConsent(entry.consent), asker)
    return askOwner(`${asker.alias} asks you to end this consent: ${words}?`)
  }
  ledger.revoke(id, entry, asking.now)
  return reply({ consent: { ...entry.consent, status: 'inactive' } })
}

function readBack({ consent: id, after }: { consent?: string; after?: string }, asking: Asking): Outcome {
  const { ledger, isOwner, asker } = asking
  if (id !== undefined) return reply({ consents: [shown(entryFor(id, asking))], next: null })
  const page = ledger.ids(isOwner ? undefined : asker.id, after)
  const consents = page.ids.map((each) => shown(entryFor(each, asking)))
  return reply({ consents, next: page.next ?? null })
}

function shown({ consent, at, revokedAt, emergency }: Entry): Fields {
  return { consent, recorded: at, revoked: revokedAt ?? null, emergency: emergency ?? null }
}

function setPolicy(policy: EmergencyPolicy, { ledger, isOwner }: Asking): Outcome {
  if (!isOwner) return refuse('owner-only', 'the owner alone says what happens in an emergency')
  ledger.setPolicy(policy)
  return reply(policy)
}

/** The consent, for who may know of it: absent and foreign look alike. */
function entryFor(id: string, { ledger, isOwner, asker }: Asking): Entry {
  const entry = ledger.entry(id)
  if (entry === undefined || (!isOwner && entry.from !== asker.id)) {
    return refuse('consent-unknown', 'there is no such consent for you')
  }
  return entry
}

/** A connection proposes; the owner has not said yes to this very request yet. */
function mustAsk({ isOwner }: Asking): boolean {
  return !isOwner && answer().tag !== 'yes'
}

function askOwner(text: string): Outcome {
  return { tag: 'suspended', val: { text: question(text), choices: [] } }
}
