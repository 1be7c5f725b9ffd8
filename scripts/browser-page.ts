/**
 * What runs in a browser: the vectors of entries, a story of two devices, and evidence, all with the portable provider.
 * A page calls `run`; nothing here or below it is of Node.
 */
import { tellStory } from '#client/entries/story.case.ts'
import { same, vectorChecks, type Vectors } from '#client/entries/vectors.case.ts'
import { Rejection } from '#enclave/errors.ts'
import { judgeEvidence, type Policy, type Question, type Roots } from '#enclave/policy.ts'
import { verifyProof } from '#enclave/proof.ts'
import { followLog, readReleaseLog } from '#enclave/release-log.ts'
import { decodeEvidence, verifyEvidence } from '#enclave/verify.ts'
import { portableCrypto } from '#host/crypto/portable.ts'

/** A document, or a proof bundle, and the verdict it is to get. */
export interface PageDocument {
  readonly verdict: string
  readonly what: string
  readonly document: Uint8Array
  readonly roots: Roots
  readonly policy: Policy
  readonly question: Question
}

export interface PageInput {
  readonly vectors: Vectors
  readonly documents: readonly PageDocument[]
  /** The good one is timed. */
  readonly proof: PageDocument
  /** The same log, short and grown. */
  readonly logs: readonly [Uint8Array, Uint8Array]
  readonly releaseKeys: readonly string[]
}

export interface PageReport {
  readonly browser: string
  /** `error`: what went another way than in Node. */
  readonly checks: readonly { readonly name: string; readonly error: string | null }[]
  /** Median milliseconds of one. */
  readonly ms: { readonly verify: number; readonly version: number }
}

const ROUNDS = 30

/** Bytes, maps and sets as JSON. */
export function encodeInput(input: PageInput): string {
  return JSON.stringify(input, (_key, value: unknown) => {
    if (value instanceof Uint8Array) return { $bytes: value.toHex() }
    if (value instanceof Map) return { $map: [...value] }
    return value instanceof Set ? { $set: [...value] } : value
  })
}

function decodeInput(text: string): PageInput {
  return JSON.parse(text, (_key, value: { $bytes?: string; $map?: [unknown, unknown][]; $set?: unknown[] } | null) => {
    if (typeof value?.$bytes === 'string') return Uint8Array.fromHex(value.$bytes)
    if (value?.$map) return new Map(value.$map)
    return value?.$set ? new Set(value.$set) : value
  }) as PageInput
}

/** Runs everything and says what went how. It throws nothing. */
export async function run(text: string): Promise<PageReport> {
  const input = decodeInput(text)
  const checks = []
  for (const [name, check] of checksOf(input)) {
    try {
      await check()
      checks.push({ name, error: null })
    } catch (error) {
      checks.push({ name, error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) })
    }
  }
  return { browser: navigator.userAgent, checks, ms: measure(input) }
}

type NamedCheck = readonly [name: string, check: () => void | Promise<void>]

function checksOf({ vectors, documents, proof, logs, releaseKeys }: PageInput): readonly NamedCheck[] {
  return [
    ...vectorChecks.map(({ name, run }): NamedCheck => [`entries: ${name}`, () => run(crypto, vectors)]),
    ['entries: two devices and a host that changes what it serves', () => tellStory(crypto, random)],
    ...documents.map((one): NamedCheck => [
      `evidence: ${one.verdict}: ${one.what}`,
      () =>
        same(
          'verdict',
          verdictOf(() => judge(one)),
          one.verdict,
        ),
    ]),
    [
      'proof bundle',
      () =>
        same(
          'verdict',
          verdictOf(() => verifyProof(proof.document, { crypto: crypto.evidence, ...proof })),
          proof.verdict,
        ),
    ],
    ['proof bundle with a byte changed', () => provesNothing(proof)],
    ['release log: followed as it grows, and not back', () => follows(logs, releaseKeys)],
  ]
}

const random = (count: number) => globalThis.crypto.getRandomValues(new Uint8Array(count))
const crypto = portableCrypto(random)

function judge({ document, roots, policy, question }: PageDocument): void {
  judgeEvidence(verifyEvidence(crypto.evidence, decodeEvidence(document), roots), policy, question)
}

function verdictOf(act: () => unknown): string {
  try {
    act()
    return 'accepted'
  } catch (error) {
    if (error instanceof Rejection) return error.code
    throw error
  }
}

function provesNothing({ document, ...verifier }: PageDocument): void {
  const changed = document.with(document.length - 1, (document.at(-1) ?? 0) ^ 1)
  if (verdictOf(() => verifyProof(changed, { crypto: crypto.evidence, ...verifier })) === 'accepted')
    throw new Error('it is accepted')
}

function follows([short, long]: PageInput['logs'], keys: readonly string[]): void {
  const [before, now] = [readReleaseLog(crypto.evidence, short, keys), readReleaseLog(crypto.evidence, long, keys)]
  const next = { tree: now.tree, path: now.prove(before.tree.size) }
  same('followed', followLog(crypto.evidence, before.tree, next), now.tree)
  same(
    'back',
    verdictOf(() => followLog(crypto.evidence, now.tree, { tree: before.tree, path: [] })),
    'log-behind',
  )
  const changed = long.with(20, (long[20] ?? 0) ^ 1)
  if (verdictOf(() => readReleaseLog(crypto.evidence, changed, keys)) === 'accepted')
    throw new Error('a changed log is read')
}

function measure({ documents, vectors }: PageInput): PageReport['ms'] {
  const good = documents.find(({ verdict }) => verdict === 'accepted')
  const verifies = vectorChecks.find(({ name }) => name.startsWith('verifies the version'))
  return {
    verify: median(() => good && judge(good)),
    version: median(() => void verifies?.run(crypto, vectors)),
  }
}

/** After as many rounds to warm up. */
function median(act: () => void): number {
  const times: number[] = []
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const started = performance.now()
    act()
    if (round >= ROUNDS) times.push(performance.now() - started)
  }
  return times.toSorted((a, b) => a - b)[ROUNDS / 2] ?? 0
}
