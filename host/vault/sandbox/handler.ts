/** A handler at work in a sandbox that its asker shares and this vault hosts: as this vault's own side, no wider. */
import type { Deed, Doer, Place, SandboxItem, SandboxState } from '#host/contracts/sandbox-deed.ts'
import { areaOf, decide, maySee } from '#host/contracts/sandbox-rules.ts'
import type { Effects, GrantedNamespace, SharedSandbox } from '#host/plugin/port.ts'
import type { Change, Expectation, Item, Namespace } from '#host/storage/port.ts'
import type { Outgoing } from '../commit.ts'
import type { Connection } from '../party.ts'
import { decodeRecord, type SandboxRecord } from '../records.ts'
import type { Vault } from '../vault.ts'
import { tidings } from './answer.ts'
import { applied, findSandbox, partOf, type Sandbox, sandboxChange, sandboxes, stateOf } from './held.ts'

/** What a handler's deeds leave besides its other effects; nothing when it did none. */
export interface Deeds {
  readonly changes: readonly Change[]
  readonly expected: readonly Expectation[]
  readonly outgoing: readonly Outgoing[]
  /** For the audit row: what it did, in numbers. */
  readonly reason: string | null
}

type HandlerArea = 'mutual' | 'creator'
const places: Readonly<Record<HandlerArea, Place>> = { mutual: 'mutual', creator: 'mine' }

/** The areas that a connection's event may be granted: of a sandbox that is hosted here, and has begun. */
export function sharedWith(vault: Vault, connection: Connection): SharedSandbox[] {
  return sandboxes(vault, connection.id)
    .filter(({ record }) => record.role === 'creator' && record.status === 'active')
    .map((sandbox) => {
      const state = stateOf(vault, sandbox)
      const { creator } = sandbox.record.terms.rights
      const mayWrite = creator === 'write' || creator === 'approval'
      const mutual = areaOfHandler(vault, sandbox, { area: 'mutual', writable: mayWrite })
      const own = areaOfHandler(vault, sandbox, { area: 'creator', writable: true })
      return { id: sandbox.id, areas: maySee(state, 'creator', 'mutual') ? { mutual, own } : { own } }
    })
}

/** An area as a namespace of values; a revision is the sandbox's own, which never comes twice. */
function areaOfHandler(
  vault: Vault,
  sandbox: Sandbox,
  { area, writable }: { readonly area: HandlerArea; readonly writable: boolean },
): GrantedNamespace {
  const space = partOf(vault, sandbox, area)
  const namespace: Namespace = {
    name: space.name,
    bytes: sandbox.record.bytes,
    get(key) {
      const item = space.get(key)
      return item && shown(item)
    },
    scan(range) {
      const page = space.scan(range)
      return { ...page, items: page.items.map(([key, item]) => [key, shown(item)] as const) }
    },
  }
  return { namespace, writable, cap: { categories: [], bytesMax: sandbox.record.terms.bytesMax } }
}

function shown(item: Item): Item {
  const { value, revision } = decodeRecord('sandbox-item', item.value)
  return { ...item, value, revision }
}

function isShared({ namespace }: { readonly namespace: string }): boolean {
  return namespace.startsWith('sandbox/')
}

/**
 * A handler's effects with what it wrote to sandboxes judged, as deeds of this vault's side. What it did not read it
 * takes to be absent: compare-and-swap holds for handlers too.
 *
 * @throws Refusal with the rules' own reason, `conflict` where it wrote over what it had not read
 */
export function judged(
  vault: Vault,
  effects: Effects,
  { connection, now }: { readonly connection: Connection; readonly now: number },
): { readonly effects: Effects; readonly deeds: Deeds } {
  const touched = Map.groupBy([...effects.changes, ...effects.expected].filter(isShared), sandboxOf)
  const left = [...touched.keys()].map((id) => {
    const sandbox = findSandbox(vault, id)
    if (sandbox?.record.connection !== connection.id || sandbox.record.status !== 'active') {
      return overtaken(id)
    }
    const own = ({ namespace }: { readonly namespace: string }): boolean => sandboxOf({ namespace }) === id
    const wishes = { changes: effects.changes.filter(own), read: effects.expected.filter(own) }
    return done(vault, sandbox, wishes, { by: 'creator', now })
  })
  const plain = {
    changes: effects.changes.filter((change) => !isShared(change)),
    expected: effects.expected.filter((expected) => !isShared(expected)),
  }
  const reasons = left.flatMap(({ reason }) => reason ?? [])
  return {
    effects: { ...effects, ...plain },
    deeds: {
      changes: left.flatMap(({ changes }) => changes),
      expected: left.flatMap(({ expected }) => expected),
      outgoing: left.flatMap(({ outgoing }) => outgoing),
      reason: reasons.length === 0 ? null : reasons.join('; '),
    },
  }
}

interface Wishes {
  readonly changes: readonly Change[]
  /** What the handler was told, by the sandbox's own revisions. */
  readonly read: readonly Expectation[]
}

/** One sandbox's part: each wish a deed, each deed under the state that the one before left. */
function done(vault: Vault, sandbox: Sandbox, { changes: wished, read }: Wishes, doer: Doer): Deeds {
  const before = stateOf(vault, sandbox)
  const isNew = ({ namespace, key, revision }: Expectation): boolean =>
    (before.item(areaIn(namespace), key)?.revision ?? 0) !== revision
  if (read.some(isNew)) return overtaken(sandbox.id)
  const changes: Change[] = []
  const outgoing: Outgoing[] = []
  let at = sandbox
  let asked = 0
  for (const wish of wished) {
    const state = { ...stateOf(vault, at), proposals: before.proposals + asked }
    const verdict = decide(state, deedOf(wish, { state, read }), doer)
    // The record comes first among them, and is written once for all.
    changes.push(
      ...applied(vault, at, verdict)
        .changes.slice(1)
        .map((change) => attributed(change, wish)),
    )
    if (verdict.kind === 'refused') throw new Error('a refusal that was not thrown')
    if (verdict.kind === 'asks') asked += 1
    outgoing.push(...tidings(vault, at, { state, verdict, doer, byHandler: true }))
    at = { id: at.id, record: recordAfter(at.record, verdict) }
  }
  const record = vault.system.get(`sandbox/${sandbox.id}`)
  return {
    changes: wished.length === 0 ? [] : [...changes, sandboxChange(at.id, at.record)],
    expected: [{ namespace: 'system', key: `sandbox/${sandbox.id}`, revision: record?.revision ?? 0 }],
    outgoing: newest(outgoing),
    reason: wished.length === 0 ? null : `${at.id}: ${wished.length - asked} changed, ${asked} asked`,
  }
}

/** What it read has changed meanwhile: a commit that relies on this comes to nothing, and the handler runs again. */
function overtaken(id: string): Deeds {
  const expected = [{ namespace: 'system', key: `sandbox/${id}`, revision: NEVER } as const]
  return { changes: [], expected, outgoing: [], reason: null }
}

/** Revisions count from 0. */
const NEVER = -1

function deedOf(
  { namespace, key, value }: Change,
  { state, read }: { readonly state: SandboxState; readonly read: readonly Expectation[] },
): Deed {
  const area = areaIn(namespace)
  const place = places[area]
  const wasRead = read.some((one) => one.namespace === namespace && one.key === key)
  const item: SandboxItem | undefined = wasRead ? state.item(areaOf(place, 'creator'), key) : undefined
  const expected = item?.revision ?? 0
  return value === null
    ? { kind: 'remove', place, key, expected }
    : { kind: 'write', place, key, value, expected, open: false }
}

function recordAfter(
  record: SandboxRecord,
  verdict: Pick<SandboxState, 'change'> & Partial<Pick<SandboxState, 'bytes' | 'historyBytes'>>,
): SandboxRecord {
  const { change, bytes = record.bytes, historyBytes = record.historyBytes } = verdict
  return { ...record, change, bytes, historyBytes }
}

/** The item itself names the handler, and is as sensitive as it said. */
function attributed(change: Change, { namespace, key, author, visibility, sensitivity }: Change): Change {
  if (change.namespace !== namespace || change.key !== key) return change
  return { ...change, author, ...(visibility && { visibility }), ...(sensitivity && { sensitivity }) }
}

/** One word that something changed is enough. */
function newest(outgoing: readonly Outgoing[]): Outgoing[] {
  return outgoing.filter(
    ({ type, to }, index) =>
      type !== 'sandbox.changed' || !outgoing.some((later, at) => at > index && later.type === type && later.to === to),
  )
}

function sandboxOf({ namespace }: { readonly namespace: string }): string {
  return namespace.slice('sandbox/'.length, namespace.lastIndexOf('-'))
}

function areaIn(namespace: string): HandlerArea {
  return namespace.endsWith('-mutual') ? 'mutual' : 'creator'
}
