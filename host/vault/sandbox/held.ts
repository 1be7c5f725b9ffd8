/** A sandbox in the vault that hosts it: one namespace for each area, its history and what waits for an answer. */
import type { Area, Outcome, SandboxItem, SandboxState, SandboxVerdict } from '#host/contracts/sandbox-deed.ts'
import { shownName } from '#host/contracts/sandbox-rules.ts'
import { SANDBOX_PROPOSALS_MAX } from '#host/contracts/limits.ts'
import { Refusal } from '#host/errors.ts'
import type { Change, Expectation, Namespace, NamespaceName } from '#host/storage/port.ts'
import type { ConnectionId } from '#host/wire/id.ts'
import { entries } from '../read.ts'
import { decodeRecord, encodeRecord, type SandboxRecord } from '../records.ts'
import type { Vault } from '../vault.ts'

export interface Sandbox {
  readonly id: string
  readonly record: SandboxRecord
}

/** What a verdict leaves in the store, guarded by the record it was made under. */
export interface Applied {
  readonly changes: readonly Change[]
  readonly expected: readonly Expectation[]
}

/** `shown`: names under which the guest's items are shared, each with its key. */
type Part = Area | 'history' | 'proposals' | 'shown'

/** A map of its own behind a handle, and under a key of its own in the log. */
function partName(id: string, part: Part): NamespaceName {
  return `sandbox/${id}-${part}`
}

export function partOf(vault: Vault, { id }: Pick<Sandbox, 'id'>, part: Part): Namespace {
  return vault.store.namespace(partName(id, part))
}

export function findSandbox(vault: Vault, id: string): Sandbox | undefined {
  const item = vault.system.get(`sandbox/${id}`)
  return item && { id, record: decodeRecord('sandbox', item.value) }
}

export function allSandboxes(vault: Vault): Sandbox[] {
  return entries(vault.system, 'sandbox/').map(([id, value]) => ({ id, record: decodeRecord('sandbox', value) }))
}

/** Those of one connection, at a cost that the others do not add to. */
export function sandboxes(vault: Vault, connection: ConnectionId): Sandbox[] {
  const ids = index(vault).get(connection) ?? []
  return [...ids].flatMap((id) => findSandbox(vault, id) ?? [])
}

/** Takes note of one that is about to be committed; one that never is, is not found later. */
export function listSandbox(vault: Vault, { id, record }: Sandbox): void {
  const known = index(vault)
  known.set(record.connection, (known.get(record.connection) ?? new Set()).add(id))
}

function index(vault: Vault): Map<ConnectionId, Set<string>> {
  const { sandboxes: live } = vault
  if (live.ofConnection) return live.ofConnection
  live.ofConnection = new Map()
  for (const sandbox of allSandboxes(vault)) listSandbox(vault, sandbox)
  return live.ofConnection
}

export function sandboxChange(id: string, record: SandboxRecord): Change {
  const value = encodeRecord('sandbox', record)
  return { namespace: 'system', key: `sandbox/${id}`, value, ...(record.key && { sensitivity: 'critical' }) }
}

/** Nobody else may have changed it since it was read. */
export function unchangedSandbox(vault: Vault, { id }: Pick<Sandbox, 'id'>): Expectation {
  const key = `sandbox/${id}`
  return { namespace: 'system', key, revision: vault.system.get(key)?.revision ?? 0 }
}

/** A change number as a key: in the order of numbers. */
export function numberKey(number: number): string {
  return String(number).padStart(15, '0')
}

/** What the rules read, straight from the namespaces. */
export function stateOf(vault: Vault, sandbox: Sandbox): SandboxState {
  const { terms, status, change, bytes, historyBytes } = sandbox.record
  const proposals = partOf(vault, sandbox, 'proposals')
  return {
    terms,
    ended: status === 'ended',
    change,
    bytes,
    historyBytes,
    get proposals() {
      return proposals.scan({ prefix: '', limit: SANDBOX_PROPOSALS_MAX }).items.length
    },
    item(area, key) {
      const item = partOf(vault, sandbox, area).get(key)
      return item && decodeRecord('sandbox-item', item.value)
    },
    shown: (name) => shownKey(vault, sandbox, name),
    proposal(number) {
      const item = proposals.get(numberKey(number))
      return item && decodeRecord('sandbox-proposal', item.value)
    },
  }
}

function shownKey(vault: Vault, sandbox: Pick<Sandbox, 'id'>, name: string): string | undefined {
  const item = partOf(vault, sandbox, 'shown').get(name)
  return item && new TextDecoder().decode(item.value)
}

/** @throws Refusal with the rules' own reason */
export function applied(vault: Vault, sandbox: Sandbox, verdict: SandboxVerdict): Applied {
  if (verdict.kind === 'refused') throw new Refusal(verdict.code, verdict.why)
  const expected = [unchangedSandbox(vault, sandbox)]
  const { record, id } = sandbox
  if (verdict.kind === 'asks') {
    const value = encodeRecord('sandbox-proposal', verdict.proposal)
    const changes: Change[] = [
      sandboxChange(id, { ...record, change: verdict.change }),
      { namespace: partName(id, 'proposals'), key: numberKey(verdict.change), value },
    ]
    return { changes, expected }
  }
  return { changes: changesOf(vault, sandbox, verdict), expected }
}

function changesOf(vault: Vault, sandbox: Sandbox, outcome: Outcome): Change[] {
  const { record, id } = sandbox
  const { change, bytes, historyBytes, writes, history, settled, ended } = outcome
  const next: SandboxRecord = { ...record, change, bytes, historyBytes, status: ended ? 'ended' : record.status }
  const changes: Change[] = [sandboxChange(id, next)]
  for (const { area, key, item } of writes) {
    const value = item && encodeRecord('sandbox-item', item)
    const visibility = area === 'guest' ? 'opaque' : 'transparent'
    changes.push({ namespace: partName(id, area), key, value, visibility })
    if (area === 'guest') changes.push(...renamed(vault, sandbox, { key, item }))
  }
  if (history) {
    const value = encodeRecord('sandbox-history', history)
    changes.push({ namespace: partName(id, 'history'), key: numberKey(history.change), value })
  }
  if (settled) changes.push({ namespace: partName(id, 'proposals'), key: numberKey(settled.proposal), value: null })
  if (ended) changes.push(...cleared(vault, sandbox, 'proposals'))
  if (ended && record.terms.purge) {
    changes.push(...cleared(vault, sandbox, 'guest'), ...cleared(vault, sandbox, 'shown'))
  }
  return changes
}

/** The name under which an item of the guest's is shared: taken away, given or left. */
function renamed(
  vault: Vault,
  sandbox: Sandbox,
  { key, item }: { readonly key: string; readonly item: SandboxItem | null },
): Change[] {
  const namespace = partName(sandbox.id, 'shown')
  const before = shownName(key, stateOf(vault, sandbox).item('guest', key))
  const after = shownName(key, item)
  if (before === after) return []
  const value = new TextEncoder().encode(key)
  return [
    ...(before === undefined ? [] : [{ namespace, key: before, value: null }]),
    ...(after === undefined ? [] : [{ namespace, key: after, value }]),
  ]
}

function cleared(vault: Vault, sandbox: Sandbox, part: Part): Change[] {
  const namespace = partName(sandbox.id, part)
  return entries(partOf(vault, sandbox, part), '').map(([key]) => ({ namespace, key, value: null }))
}
