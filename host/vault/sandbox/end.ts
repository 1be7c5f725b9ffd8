/** The end of a sandbox: the creator keeps it, the guest's reach is over with the same commit. */
import { decide } from '#host/contracts/sandbox-rules.ts'
import type { Change, Expectation } from '#host/storage/port.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { parseEventType } from '#host/wire/id.ts'
import type { Outgoing } from '../commit.ts'
import type { Connection } from '../party.ts'
import type { Vault } from '../vault.ts'
import { copyParts, mayCopy } from './copy.ts'
import { applied, type Sandbox, sandboxChange, sandboxes, stateOf, unchangedSandbox } from './held.ts'

export const ENDED = parseEventType('sandbox.ended')
export const COPY = parseEventType('sandbox.copy')

/** What the guest is sent with the commit that ends it: its copy, if the terms give it one, and the word. */
export function farewells(vault: Vault, sandbox: Sandbox, now: number): Outgoing[] {
  const { record, id } = sandbox
  const to = vault.connections.get(record.connection)
  if (!to?.session) return []
  const hasCopy = record.status === 'active' && mayCopy(record.terms)
  const parts = hasCopy ? copyParts(vault, sandbox, { now }) : []
  const copies = parts.map((copy): Outgoing => ({ to, type: COPY, body: encodeCbor({ copy }), causation: null }))
  const body = encodeCbor({ sandbox: id, parts: parts.length })
  return [...copies, { to, type: ENDED, body, causation: null }]
}

export interface Endings {
  readonly changes: readonly Change[]
  readonly expected: readonly Expectation[]
  readonly outgoing: readonly Outgoing[]
}

/** Ends all sandboxes of a connection that ends: those that are hosted here, and the reach into those that are not. */
export function endSandboxes(vault: Vault, connection: Connection, now: number): Endings {
  const ending = sandboxes(vault, connection.id).filter(({ record }) => record.status !== 'ended')
  const ended = ending.map((sandbox): Endings => {
    const { role } = sandbox.record
    if (role === 'guest') return Object.assign(forgotten(vault, sandbox), { outgoing: [] })
    const verdict = decide(stateOf(vault, sandbox), { kind: 'end' }, { by: role, now })
    return Object.assign(applied(vault, sandbox, verdict), { outgoing: farewells(vault, sandbox, now) })
  })
  return {
    changes: ended.flatMap(({ changes }) => changes),
    expected: ended.flatMap(({ expected }) => expected),
    outgoing: ended.flatMap(({ outgoing }) => outgoing),
  }
}

/** The guest's vault: over, and with no copy to open, its key is gone too. */
export function forgotten(vault: Vault, sandbox: Sandbox): Pick<Endings, 'changes' | 'expected'> {
  const { id, record } = sandbox
  const key = record.terms.portability === 'mutual-and-own' ? record.key : null
  return {
    changes: [sandboxChange(id, { ...record, status: 'ended', key })],
    expected: [unchangedSandbox(vault, sandbox)],
  }
}
