import { mkdtemp, mkdtempDisposable, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { exportAudit, printVerified, verifyFile } from '#host/commands/audit.ts'
import { connectService } from '#host/service.fixture.ts'
import type { Checkpoint } from '#host/crypto/checkpoint.ts'
import {
  AUDIT_PAGE_ROWS_MAX,
  AUDIT_RETAIN_DAYS_MAX,
  AUDIT_SCAN_ROWS_MAX,
  CHECKPOINT_ROWS,
  PRUNE_ROWS_MAX,
} from '#host/storage/limits.ts'
import { wakeAt } from '#host/vault/eviction.ts'
import { row } from '#host/vault/rows.ts'
import { startWorld, until, type World } from '#host/world.fixture.ts'

const DAY_MS = 86_400_000
let world: World

beforeEach(async () => {
  world = await startWorld({ handlers: ['counts'] })
})
afterEach(() => world[Symbol.asyncDispose]())

test('the owner browses the trail by connection, a page at a time', async () => {
  const acme = await connectService(world, 'Acme')
  const bolt = await connectService(world, 'Bolt')
  for (let count = 0; count < 3; count++) {
    await acme.ask('counts.run')
    await bolt.ask('counts.run')
  }
  const { connection } = acme.invitation
  const first = await world.alice.auditRows({ connection, limit: 2 })
  expect(first.rows).toHaveLength(2)
  const rest = await world.alice.auditRows({ connection, after: first.next ?? 0 })
  const types = [...first.rows, ...rest.rows].filter(({ eventType }) => eventType === 'counts.run')
  expect(types.map(({ who, result }) => `${who} ${result}`)).toEqual(['Acme replied', 'Acme replied', 'Acme replied'])
  const all = await world.alice.auditRows()
  expect(all.rows.some(({ connection }) => connection === bolt.invitation.connection)).toBe(true)
  expect(all.rows.map(({ sequence }) => sequence)).toEqual(all.rows.map((_, at) => at + 1))
  expect(await world.alice.auditRows({ after: 1_000 })).toEqual({ rows: [], next: null })
  await expect(world.alice.auditRows({ limit: 0 })).rejects.toThrow('command-invalid')
})

/** So many rows more, of now. */
async function lengthen(rows: number): Promise<void> {
  const { store, audit } = await world.vault()
  const entry = row({ at: world.now(), who: 'a test', result: 'noted' })
  await store.commit(Array.from({ length: rows }, () => audit.append(entry).changes).flat(), { now: world.now() })
}

test('a page has so many rows at most, and comes of so many looked at', async () => {
  await lengthen(AUDIT_SCAN_ROWS_MAX + 1)
  expect((await world.alice.auditRows({ connection: 'nobody' })).next).toBe(AUDIT_SCAN_ROWS_MAX)
  expect((await world.alice.auditRows()).rows).toHaveLength(AUDIT_PAGE_ROWS_MAX)
  await expect(world.alice.auditRows({ limit: AUDIT_PAGE_ROWS_MAX + 1 })).rejects.toThrow('command-invalid')
})

test('rows are kept for ten years at most, and those of one day go on that day, however many', async () => {
  await expect(world.alice.retainAudit(AUDIT_RETAIN_DAYS_MAX + 1)).rejects.toThrow('command-invalid')
  await world.alice.retainAudit(AUDIT_RETAIN_DAYS_MAX)
  await lengthen(PRUNE_ROWS_MAX + 1)
  world.clock.now += 2 * DAY_MS
  await world.alice.retainAudit(1)
  await until('all rows to go', async () => (await world.rows()).every(({ at }) => at === world.now()))
})

test('the vault signs a checkpoint after so many rows, and every device is told', async () => {
  const told: Checkpoint[] = []
  world.alice.onCheckpoint((checkpoint) => told.push(checkpoint))
  for (let row = 0; row <= CHECKPOINT_ROWS; row++) void world.alice.putField('email', `${row}@example.org`)
  const [checkpoint] = await until('a checkpoint', () => told.length > 0 && told)
  const rows = await world.rows()
  const row = rows.find(({ sequence }) => sequence === checkpoint?.sequence)
  expect(row?.hash).toEqual(checkpoint?.hash)
  expect(checkpoint).toMatchObject({ vault: 'alice', kept: null })
  expect(checkpoint?.sequence).toBeGreaterThanOrEqual(CHECKPOINT_ROWS)
})

test('rows go by themselves when they are older than the owner wants, and the chain verifies on', async () => {
  const acme = await connectService(world, 'Acme')
  await acme.ask('counts.run')
  await expect(world.alice.retainAudit(0)).rejects.toThrow('command-invalid')
  await world.alice.retainAudit(2)
  const before = await world.rows()
  const [first] = before
  world.clock.now += DAY_MS
  await acme.ask('counts.run')
  const kept = (await world.rows()).length
  expect(kept).toBeGreaterThan(before.length)
  world.clock.now += 2 * DAY_MS
  const pruned = await until('rows to go', async () => {
    const rows = await world.rows()
    return rows.some(({ sequence }) => sequence === first?.sequence) ? false : rows
  })
  expect(pruned.every(({ at }) => at >= world.clock.now - 2 * DAY_MS)).toBe(true)
  expect(pruned.at(-1)).toMatchObject({ who: 'vault', eventType: 'audit.prune', result: 'changed' })
  // What is left verifies offline too, from the base that the vault signed in place of what went.
  await world.kill()
  const lines: string[] = []
  await exportAudit(world.folder, 'alice', { now: world.clock.now, print: (line) => void lines.push(line) })
  await using scratch = await mkdtempDisposable(join(tmpdir(), 'trellis-aged-'))
  const file = join(scratch.path, 'trail.jsonl')
  await writeFile(file, `${lines.join('\n')}\n`)
  const through = (pruned[0]?.sequence ?? 0) - 1
  expect(printVerified(await verifyFile(file, { identity: world.identity.toHex() }))).toContain(`up to row ${through}`)
  // Without its oldest row that is left, it does not.
  const oldest = lines.findIndex((line) => line.includes(`"sequence":${through + 1},`))
  await writeFile(file, `${lines.toSpliced(oldest, 1).join('\n')}\n`)
  await expect(verifyFile(file, {})).rejects.toThrow()
  await world.start()
  // A closed vault is woken for it; without a word of the owner nothing goes.
  const vault = await world.vault()
  expect(wakeAt(vault)).toBe(world.clock.now + DAY_MS)
  await world.alice.retainAudit(null)
  expect(wakeAt(vault)).toBeUndefined()
  const left = (await world.rows()).length
  world.clock.now += 9 * DAY_MS
  await acme.ask('counts.run')
  expect((await world.rows()).length).toBeGreaterThan(left)
})

test('the owner prunes: the chain verifies on, here and in a file; an ended connection’s rows stay', async () => {
  const acme = await connectService(world, 'Acme')
  const bolt = await connectService(world, 'Bolt')
  await acme.ask('counts.run')
  await bolt.ask('counts.run')
  await world.alice.sever(bolt.invitation.connection)
  const before = (await world.rows()).length
  world.clock.now += DAY_MS
  await world.alice.putField('email', 'new@example.org')
  const device = await world.alice.auditCheckpoint()
  await expect(world.alice.pruneAudit(world.clock.now + 1)).rejects.toThrow('command-invalid')
  const { pruned, through } = await world.alice.pruneAudit(world.clock.now)
  expect(through).toBe(before)
  expect(pruned).toBeGreaterThan(0)
  const rows = await world.rows()
  const kept = rows.filter(({ sequence }) => sequence <= through)
  expect(new Set(kept.map(({ connection }) => connection))).toEqual(new Set([bolt.invitation.connection]))
  expect(kept.some(({ reason }) => reason === 'severed')).toBe(true)
  expect(await world.alice.pruneAudit(world.clock.now)).toMatchObject({ pruned: 0 })

  await world.kill()
  const folder = await mkdtemp(join(tmpdir(), 'trellis-trail-'))
  const file = join(folder, 'trail.jsonl')
  const lines: string[] = []
  await exportAudit(world.folder, 'alice', { now: world.clock.now, print: (line) => void lines.push(line) })
  await writeFile(file, `${lines.join('\n')}\n`)
  const known = { identity: world.identity.toHex(), row: `${device.sequence}:${device.hash.toHex()}` }
  const verified = await verifyFile(file, known)
  expect(printVerified(verified)).toContain(`pruned up to row ${through}`)
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace('"data"', '"date"').replace('"who":"Bolt"', '"who":"Bold"'))
  await expect(verifyFile(file, {})).rejects.toThrow(/^row \d+: was changed/)
  await expect(verifyFile(join(folder, 'none'), {})).rejects.toThrow(/cannot be read/)
  await expect(verifyFile(file, { identity: 'beef' })).rejects.toThrow(/64 hex digits/)
  await expect(verifyFile(file, { row: '7' })).rejects.toThrow(/NUMBER:HASH/)
  await rm(folder, { recursive: true })
  await world.start()
})
