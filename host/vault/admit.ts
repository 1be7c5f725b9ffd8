/** Opened → Admitted, or a question to the owner: gathers the facts and lets the contract judge. */
import { admit as judge, allFields, type ConnectionFacts, type Verdict } from '#host/contracts/admit.ts'
import type { Contract, ContractField } from '#host/contracts/contract.ts'
import { permitsEvent } from '#host/contracts/offer.ts'
import { Refusal, type RefusalCode } from '#host/errors.ts'
import { SUPPORTED_CHARS_MAX } from '#host/limits.ts'
import type { OwnerQuestion } from '#host/plugin/port.ts'
import { readRequest, type Registered, type Registry } from '#host/plugin/registry.ts'
import type { Expectation } from '#host/storage/port.ts'
import type { Opened } from './open.ts'
import type { Connection } from './party.ts'
import type { Vault } from './vault.ts'

/** An event that may reach its handler. Only `admit` makes one. */
export interface Admitted {
  readonly kind: 'admitted'
  readonly opened: Opened
  readonly connection: Connection
  /** The connection's record that it was admitted under: one that changed meanwhile takes the effects back. */
  readonly expected: readonly Expectation[]
  readonly registered: Registered
  readonly fields: readonly ContractField[]
  /** The request as the handler is given it. */
  readonly body: Uint8Array
  readonly approved: boolean
}

/** An event that waits for the owner. */
export interface Asking {
  readonly kind: 'asking'
  readonly opened: Opened
  readonly connection: Connection
  readonly expected: readonly Expectation[]
  /** What the question is about: the consent fields, or all of them when the handler asks for the event itself. */
  readonly fields: readonly ContractField[]
  /** What the handler asks in its own words. */
  readonly question: OwnerQuestion | null
}

/** A refusal by the contract, with what the audit row and the asker are told. */
export class ContractRefusal extends Refusal {
  readonly field: string | null
  readonly retryAt: number | null

  constructor(code: RefusalCode, options: { message: string; field?: string; retryAt?: number }) {
    super(code, options.message)
    this.field = options.field ?? null
    this.retryAt = options.retryAt ?? null
  }
}

/** @throws ContractRefusal with the first reason in DESIGN §4's order */
export function admit(
  opened: Opened,
  registry: Registry,
  options: { connection: Connection; approved: boolean; now: number },
): Admitted | Asking {
  const { connection, approved, now } = options
  const { event } = opened
  const contract = inForce(connection)
  const registered = registry.lookup(event.type, 'connection')
  const facts = factsOf(connection, contract)
  const request = registered && readRequest(registered, event.body, () => allFields(facts, now))
  const verdict = judge(
    facts,
    {
      type: event.type,
      contractVersion: event.contractVersion,
      handler: registered && { permission: registered.event.permission, approval: registered.event.approval },
      body: request?.kind === 'request' ? request : 'malformed',
      approved,
    },
    now,
  )
  if (verdict.kind === 'refused') throw refusalOf(verdict, supported(verdict.code, contract, registry))
  if (!registered || request?.kind !== 'request') throw new Error('admitted an event that nobody can handle')
  connection.bucket = verdict.bucket
  const expected = [unchanged(opened.vault, connection)]
  if (verdict.kind === 'admitted') {
    const { fields } = verdict
    return { kind: 'admitted', opened, connection, expected, registered, fields, body: request.body, approved }
  }
  const fields = verdict.asking.length > 0 ? verdict.asking : verdict.fields
  return { kind: 'asking', opened, connection, expected, fields, question: null }
}

/**
 * What the host answers itself under terms of its own: the connection and its contract must be in force, and it takes a
 * token like every event.
 *
 * @throws ContractRefusal
 */
export function admitOwn({ vault, event }: Opened, connection: Connection, now: number): readonly Expectation[] {
  const contract = inForce(connection)
  const { permissions } = contract
  const verdict = judge(
    factsOf(connection, { ...contract, permissions: { ...permissions, events: [event.type] } }),
    {
      type: event.type,
      contractVersion: event.contractVersion,
      handler: { permission: null, approval: 'never' },
      body: { fields: [] },
      approved: false,
    },
    now,
  )
  if (verdict.kind === 'refused')
    throw refusalOf(verdict, verdict.code === 'contract-stale' ? `: version ${contract.version}` : '')
  connection.bucket = verdict.bucket
  return [unchanged(vault, connection)]
}

/**
 * What was admitted is judged again, without a token, before it runs again: a connection that ended, or a contract that
 * was frozen or replaced while the handler ran, refuses it now.
 *
 * @throws ContractRefusal
 */
export function readmit(admitted: Admitted, registry: Registry, now: number): Admitted {
  const { opened, connection, approved } = admitted
  const again = admit(opened, registry, { connection, approved: true, now })
  if (again.kind === 'asking') throw new Error('an approved request asked again')
  return { ...again, approved }
}

function unchanged(vault: Vault, connection: Connection): Expectation {
  const key = `connections/${connection.id}`
  return { namespace: 'system', key, revision: vault.system.get(key)?.revision ?? 0 }
}

/** @throws ContractRefusal `connection-inactive` before the first contract was accepted */
function inForce({ contract }: Connection): Contract {
  if (!contract) throw new ContractRefusal('connection-inactive', { message: 'no contract was accepted' })
  return contract.contract
}

/** What the contract is judged with. */
function factsOf({ record, offered, bucket }: Connection, contract: Contract): ConnectionFacts {
  return {
    status: record.status === 'active' ? 'active' : 'severed',
    contract,
    acceptedAt: record.acceptedAt,
    declined: new Set(record.declined),
    frozenBy: offered?.contract.version ?? null,
    bucket,
  }
}

/** What would do instead, as far as the asker may know it: its own contract's part of the profile. */
function supported(code: RefusalCode, contract: Contract, registry: Registry): string {
  if (code === 'contract-stale') return `: version ${contract.version}`
  if (code !== 'unsupported-event') return ''
  const types = contract.permissions.events.filter((type) => {
    const event = registry.lookup(type)?.event
    return event !== undefined && permitsEvent(contract, event)
  })
  return types.length === 0 ? '' : `: ${types.join(', ')}`.slice(0, SUPPORTED_CHARS_MAX)
}

/** A verdict in words; `instead` says what would do. */
function refusalOf(verdict: Extract<Verdict, { kind: 'refused' }>, instead: string): ContractRefusal {
  const { code, field, retryAt } = verdict
  const why = `${words[code] ?? code}${instead}`
  const message = field === undefined ? why : `${why}: ${field}`
  return new ContractRefusal(code, {
    message,
    ...(field === undefined ? {} : { field }),
    ...(retryAt === undefined ? {} : { retryAt }),
  })
}

const words: Partial<Record<RefusalCode, string>> = {
  'connection-inactive': 'the connection is not active: connect anew',
  'contract-frozen': 'a newer contract version waits for the owner: ask again when it is accepted',
  'contract-stale': 'this is not the accepted contract version',
  'unsupported-event': 'no handler answers this event type; what this contract may send is in the profile',
  'not-permitted': 'the contract does not permit this event',
  'malformed-request': 'the request does not fit the schema in the profile',
  'field-undeclared': 'the contract does not declare this field',
  'field-declined': 'the owner declined this field',
  'retention-expired': 'the time this field was granted for is over',
  'rate-limited': 'the requests of this hour are used up',
}
