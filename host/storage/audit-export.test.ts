import { describe, expect, it } from 'vitest'

import { identityId } from '#host/crypto/identity.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'

import { allRows, auditTrail, planPruning, pruneChanges, trailHead } from './audit.ts'
import type { AuditHead, AuditRow } from './audit-row.ts'
import { exportTrail, verifyExport } from './audit-export.ts'
import { signCheckpoint } from '#host/crypto/checkpoint.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { openLog } from './group.ts'
import { EXPORT_LINE_CHARS_MAX } from './limits.ts'
import { memoryLog } from './memory-log.fixture.ts'
import { makeVault } from './vault-store.fixture.ts'

const signing = generateSigningKey()
const verifyKey = signing.publicKey
const identity = identityId(nativeCrypto, verifyKey)

/** Ten rows; with `pruned`, all but 2 of the first five are gone. */
async function exported(pruned = false): Promise<{ lines: string[]; rows: AuditRow[]; head: AuditHead }> {
  const store = await makeVault(await openLog(memoryLog()))
  const trail = auditTrail(store)
  const namespace = store.namespace('audit')
  for (let at = 1; at <= 10; at++) {
    const entry = { at, connection: 'acme', who: 'Acme', eventId: null, eventType: 'data.request', fields: ['email'] }
    const rest = { purpose: null, contractVersion: 1, reason: null, askedAt: at, answeredAt: at, link: null, count: 1 }
    await store.commit(trail.append({ ...entry, ...rest, result: 'replied' }).changes, { now: at })
  }
  let base: Uint8Array | undefined
  const plan = planPruning(namespace, { until: ({ at }) => at > 5, keeps: ({ at }) => at === 2 })
  if (pruned && plan) {
    base = signCheckpoint({ vault: 'alice', at: 11, ...plan.base }, signing)
    await store.commit(pruneChanges(plan, base), { now: 11 })
  }
  const head = trailHead(namespace)
  const rows = [...allRows(namespace)]
  const checkpoint = signCheckpoint({ vault: 'alice', at: 12, kept: null, ...head }, signing)
  return { lines: [...exportTrail({ vault: 'alice', verifyKey, base, rows, checkpoint })], rows, head }
}

/** A line with one of its values exchanged. */
function edited(line: string, change: Record<string, unknown>): string {
  return JSON.stringify({ ...(JSON.parse(line) as object), ...change })
}

describe('an exported trail', () => {
  it('verifies without the vault’s secrets, whole and pruned', async () => {
    const whole = await exported()
    const told = await verifyExport(whole.lines, { identity, head: whole.head })
    expect(told).toMatchObject({ vault: 'alice', rows: 10, base: undefined, head: { sequence: 10 }, identity })
    const pruned = await exported(true)
    const said = await verifyExport(pruned.lines)
    expect(said).toMatchObject({ rows: 6, base: { sequence: 5 }, head: { sequence: 10 } })
  })

  it.each([
    ['a column', (lines: string[]) => lines.with(4, edited(lines[4] ?? '', { who: 'nobody' })), /^row 4: was changed/],
    ['a hash', (lines: string[]) => lines.with(4, edited(lines[4] ?? '', { hash: '' })), /^row 4: line 5/],
    ['a row less', (lines: string[]) => lines.toSpliced(4, 1), /^row 4: is missing/],
    ['two swapped', (lines: string[]) => lines.with(4, lines[5] ?? '').with(5, lines[4] ?? ''), /^row 4: is missing/],
    ['the last rows cut', (lines: string[]) => lines.toSpliced(9, 2), /^row 9: is missing/],
    ['the end cut', (lines: string[]) => lines.slice(0, 8), /^row 8: is missing/],
    ['nothing at all', () => [], /^row 1: is missing/],
    ['no vault', (lines: string[]) => lines.slice(1), /first line/],
    ['two vaults', (lines: string[]) => lines.toSpliced(3, 0, lines[0] ?? ''), /first line/],
    ['noise', (lines: string[]) => lines.with(2, '{'), /^row 2: line 3 is not JSON/],
    [
      'a long line',
      (lines: string[]) => lines.with(2, ' '.repeat(EXPORT_LINE_CHARS_MAX)),
      /^row 2: line 3 is not JSON/,
    ],
    ['a longer one', (lines: string[]) => lines.with(2, ' '.repeat(EXPORT_LINE_CHARS_MAX + 1)), /^row 2: .* too long/],
    ['more behind the end', (lines: string[]) => [...lines, lines[1] ?? ''], /behind the last checkpoint/],
    ['another vault', (lines: string[]) => lines.with(0, edited(lines[0] ?? '', { vault: 'bob' })), /of vault alice/],
  ])('names what is wrong: %s', async (_name, change, message) => {
    const { lines } = await exported()
    await expect(verifyExport(change(lines))).rejects.toThrow(
      expect.objectContaining({ code: 'audit-broken', message: expect.stringMatching(message) }),
    )
  })

  it('names a row that pruning kept and somebody took out', async () => {
    const { lines } = await exported(true)
    await expect(verifyExport(lines.toSpliced(1, 1))).rejects.toThrow(/pruning kept/)
    const signed = JSON.parse(lines.at(-1) ?? '') as { checkpoint: string }
    await expect(verifyExport(lines.with(0, edited(lines[0] ?? '', { base: signed.checkpoint })))).rejects.toThrow(
      /its base is no pruning/,
    )
  })

  it('is held against what the verifier knows: the fingerprint, and a row that a device holds', async () => {
    const { lines, head } = await exported()
    await expect(verifyExport(lines, { identity: new Uint8Array(32) })).rejects.toThrow(/fingerprint/)
    const later = { ...head, sequence: 12 }
    await expect(verifyExport(lines, { head: later })).rejects.toThrow(/^row 11: is missing/)
    const other = { sequence: 6, hash: new Uint8Array(32) }
    await expect(verifyExport(lines, { head: other })).rejects.toThrow(/^row 6: is not the row/)
  })

  it('cannot be signed by somebody else', async () => {
    const { lines, rows, head } = await exported()
    const forged = generateSigningKey()
    const checkpoint = signCheckpoint({ vault: 'alice', at: 12, kept: null, ...head }, forged)
    const other = [...exportTrail({ vault: 'alice', verifyKey, base: undefined, rows, checkpoint })]
    await expect(verifyExport(other)).rejects.toThrow(/not signed by this vault/)
    const short = signCheckpoint({ vault: 'alice', at: 12, kept: null, ...head, sequence: 9 }, signing)
    const uncovered = [...lines.slice(0, -1), JSON.stringify({ kind: 'checkpoint', checkpoint: short.toBase64() })]
    await expect(verifyExport(uncovered)).rejects.toThrow(/^row 10: no checkpoint covers it/)
  })
})
