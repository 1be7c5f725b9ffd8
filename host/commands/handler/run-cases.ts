/** Runs cases in a real cell: the bytes a host would run, under the limits it would set. */
import { Refusal } from '#host/errors.ts'
import { CASE_RUNS, CASE_RUNS_MS_MAX } from '#host/limits.ts'
import type { Manifest } from '#host/plugin/manifest.ts'
import { createPool, type Pool } from '#host/plugin/pool.ts'
import { loadProgram } from '#host/plugin/program.ts'
import { HandlerFailure, HandlerRefusal } from '#host/plugin/refusal.ts'
import { buildRegistry, readRequest, type Registry } from '#host/plugin/registry.ts'
import type { Case } from './cases.ts'
import { sourcesOf } from './given.ts'
import { bytesLeft, differences, type Ended, outcomeOf } from './judge.ts'

export interface CaseResult {
  readonly name: string
  /** `reply`, `accepted`, `no: code`, or the host's code. */
  readonly outcome: string
  readonly hostCalls: number
  /** What it left: reply, writes and outgoing events. */
  readonly bytes: number
  /** Median over at most `CASE_RUNS`, host and cell together. */
  readonly micros: number
  /** What is otherwise than expected; none when it passed. */
  readonly mistakes: readonly string[]
  readonly log: readonly string[]
}

/** @throws Refusal `component-invalid` when the component does not fit its manifest, or does not start */
export async function runCases(options: {
  manifest: Manifest
  component: Uint8Array
  cases: readonly Case[]
}): Promise<readonly CaseResult[]> {
  const { manifest, cases } = options
  const registry = buildRegistry([{ manifest, component: loadProgram(options.component, manifest) }])
  await using pool = await createPool({ registry, cells: 1, spares: 0 })
  const results: CaseResult[] = []
  for (const one of cases) results.push(await runCase(one, { registry, pool }))
  return results
}

async function runCase(one: Case, parts: { registry: Registry; pool: Pool }): Promise<CaseResult> {
  const first = await runOnce(one, parts)
  const start = performance.now()
  const times = [first.micros]
  // What failed may have cost its cell, and a new one says nothing about time.
  const runs = first.ended instanceof Refusal && !(first.ended instanceof HandlerRefusal) ? 1 : CASE_RUNS
  while (times.length < runs && performance.now() - start < CASE_RUNS_MS_MAX) {
    times.push((await runOnce(one, parts)).micros)
  }
  const { ended } = first
  return {
    name: one.name,
    outcome: outcomeOf(ended),
    hostCalls: ended instanceof Refusal && !(ended instanceof HandlerFailure) ? 0 : ended.hostCalls,
    bytes: bytesLeft(ended),
    micros: median(times),
    mistakes: differences(one, ended),
    log: logOf(ended).map(({ level, message }) => `${level}: ${message}`),
  }
}

async function runOnce(
  one: Case,
  parts: { registry: Registry; pool: Pool },
): Promise<{ ended: Ended; micros: number }> {
  const start = performance.now()
  const ended = await endOf(one, parts)
  return { ended, micros: (performance.now() - start) * 1_000 }
}

async function endOf(one: Case, { registry, pool }: { registry: Registry; pool: Pool }): Promise<Ended> {
  try {
    const registered = registry.lookup(one.event, one.given.kind === 'owner' ? 'owner' : 'connection')
    if (registered === undefined) throw new Refusal('unsupported-event', `the manifest declares no ${one.event}`)
    const bytes = new TextEncoder().encode(JSON.stringify(one.request))
    const request = readRequest(registered, bytes, () => Object.keys(one.given.fields))
    if (request.kind === 'malformed') throw new Refusal('malformed-request', request.why)
    const { connection, connectionId, kind, contractVersion, eventId, approved, answer, now } = one.given
    return await pool.run({
      registered,
      sources: sourcesOf(one, registered, request.fields),
      context: { connection, kind, contractVersion, eventId, eventType: one.event, approved, connectionId },
      body: request.body,
      answer,
      // Each by itself: none waits because one before it failed.
      tenant: one.name,
      now,
    })
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}

function logOf(ended: Ended): readonly { level: string; message: string }[] {
  if (!(ended instanceof Refusal)) return ended.log
  return ended instanceof HandlerFailure ? ended.log : []
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0
}
