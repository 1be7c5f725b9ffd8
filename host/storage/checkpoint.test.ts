import { describe, expect, it } from 'vitest'

import { generateSigningKey } from '#host/crypto/sign.ts'

import {
  allRows,
  auditTrail,
  checkpointChange,
  latestCheckpoint,
  planPruning,
  pruneChanges,
  trailBase,
  trailHead,
  verifyTrail,
} from './audit.ts'
import type { AuditEntry, AuditRow } from './audit-row.ts'
import { type Checkpoint, keptHash, readCheckpoint, signCheckpoint, verifyCheckpoint } from '#host/crypto/checkpoint.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { openLog } from './group.ts'
import { PRUNE_ROWS_MAX } from './limits.ts'
import { memoryLog } from './memory-log.fixture.ts'
import type { VaultStore } from './port.ts'
import { makeVault } from './vault-store.fixture.ts'

const signing = generateSigningKey()
const key = signing.publicKey
const checkpoint: Checkpoint = { vault: 'alice', sequence: 7, hash: new Uint8Array(32).fill(3), at: 9, kept: null }

const entry = (at: number, connection: string | null): AuditEntry => ({
  at,
  connection,
  who: 'somebody',
  eventId: null,
  eventType: 'data.request',
  fields: [],
  purpose: null,
  contractVersion: 1,
  result: 'replied',
  reason: null,
  askedAt: at,
  answeredAt: at,
  link: null,
  count: 1,
})

/** Twelve rows at 1 to 12, each third of them of `gone`. */
async function trail(): Promise<VaultStore> {
  const store = await makeVault(await openLog(memoryLog()))
  const rows = auditTrail(store)
  for (let at = 1; at <= 12; at++) {
    await store.commit(rows.append(entry(at, at % 3 === 0 ? 'gone' : 'here')).changes, { now: at })
  }
  return store
}

async function prune(store: VaultStore, before: number): Promise<number> {
  const plan = planPruning(store.namespace('audit'), {
    until: ({ at }) => at >= before,
    keeps: ({ connection }) => connection === 'gone',
  })
  if (!plan) return 0
  const signed = signCheckpoint({ vault: 'alice', at: 99, ...plan.base }, signing)
  await store.commit(pruneChanges(plan, signed), { now: 99 })
  return plan.gone.length
}

function verified(store: VaultStore, change: (rows: AuditRow[]) => AuditRow[] = (rows) => rows): void {
  const namespace = store.namespace('audit')
  verifyTrail(change([...allRows(namespace)]), trailHead(namespace), trailBase(namespace))
}

const without = (sequence: number) => (list: AuditRow[]) => list.filter((row) => row.sequence !== sequence)

describe('a checkpoint', () => {
  it('says what was signed, to whoever has the public key', () => {
    const signed = signCheckpoint(checkpoint, signing)
    expect(verifyCheckpoint(nativeCrypto, signed, key)).toEqual(checkpoint)
    expect(readCheckpoint(signed)).toEqual(checkpoint)
  })

  it('is refused when any byte of it is another, and for another key', () => {
    const signed = signCheckpoint(checkpoint, signing)
    for (const at of [0, 30, 60, 80, signed.length - 1]) {
      const bytes = signed.with(at, (signed[at] ?? 0) ^ 1)
      expect(() => verifyCheckpoint(nativeCrypto, bytes, key)).toThrow(
        expect.objectContaining({ code: 'audit-broken' }),
      )
    }
    expect(() => verifyCheckpoint(nativeCrypto, signed, generateSigningKey().publicKey)).toThrow(
      /not signed by this vault/,
    )
    expect(() => readCheckpoint(new Uint8Array(5_000))).toThrow(/too large/)
    expect(() => readCheckpoint(Uint8Array.of(0xff))).toThrow(/cannot be read/)
  })

  it('is kept as the latest', async () => {
    const store = await trail()
    expect(latestCheckpoint(store.namespace('audit'))).toBeUndefined()
    await store.commit([checkpointChange(Uint8Array.of(1))], { now: 1 })
    expect(latestCheckpoint(store.namespace('audit'))).toEqual(Uint8Array.of(1))
  })
})

describe('a pruned trail', () => {
  it('verifies from its base, keeps what must stay, and is pruned again', async () => {
    const store = await trail()
    expect(await prune(store, 6)).toBe(4)
    expect([...allRows(store.namespace('audit'))].map(({ sequence }) => sequence)).toEqual([3, 6, 7, 8, 9, 10, 11, 12])
    verified(store)
    expect(await prune(store, 6)).toBe(0)
    expect(await prune(store, 11)).toBe(3)
    expect([...allRows(store.namespace('audit'))].map(({ sequence }) => sequence)).toEqual([3, 6, 9, 11, 12])
    expect(trailBase(store.namespace('audit'))).toMatchObject({ sequence: 10 })
    verified(store)
    expect(await prune(store, 1_000)).toBe(1)
    verified(store)
    const next = auditTrail(store).append(entry(13, null))
    await store.commit(next.changes, { now: 13 })
    expect(next.row.sequence).toBe(13)
    verified(store)
  })

  it('loses so many rows at once, the rest in the rounds that follow, however many rows stay', async () => {
    const store = await makeVault(await openLog(memoryLog()))
    const rows = auditTrail(store)
    const append = (connection: string) =>
      store.commit(Array.from({ length: PRUNE_ROWS_MAX + 1 }, () => rows.append(entry(1, connection)).changes).flat(), {
        now: 1,
      })
    await append('gone')
    await append('here')
    for (const went of [PRUNE_ROWS_MAX, 1, 0]) expect(await prune(store, 2)).toBe(went)
    verified(store)
    expect([...allRows(store.namespace('audit'))]).toHaveLength(PRUNE_ROWS_MAX + 1)
  })

  it('shows a row that was kept and is gone, was changed, or was never there', async () => {
    const store = await trail()
    await prune(store, 11)
    const rows = [...allRows(store.namespace('audit'))]
    expect(() => verified(store, without(6))).toThrow(/one of them is missing/)
    expect(() => verified(store, without(9))).toThrow(/one of them is missing/)
    expect(() => verified(store, without(11))).toThrow(/^row 11: is missing/)
    expect(() => verified(store, without(12))).toThrow(/^row 12: is missing/)
    const edited = rows.map((row) => (row.sequence === 6 ? { ...row, who: 'nobody' } : row))
    expect(() => verified(store, () => edited)).toThrow(/^row 6: was changed/)
    const again = rows.flatMap((row) => (row.sequence === 6 ? [row, row] : [row]))
    expect(() => verified(store, () => again)).toThrow(/pruning kept/)
  })

  it('is not made from a chain that does not hold', async () => {
    const store = await trail()
    const namespace = store.namespace('audit')
    const [, second] = [...allRows(namespace)]
    const third = namespace.get('row/0000000000000003')?.value ?? new Uint8Array(0)
    await store.commit([{ namespace: 'audit', key: 'row/0000000000000002', value: third }], { now: 1 })
    await expect(prune(store, 6)).rejects.toThrow(/^row 2: is missing/)
    expect(keptHash(nativeCrypto, second ? [second] : [])).not.toEqual(keptHash(nativeCrypto, []))
  })
})
