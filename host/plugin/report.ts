/** What crosses between host and cell around one event: the job in, the report out. */
import type { KeyAlgorithm } from '#host/crypto/key-algorithm.ts'
import { CATEGORY_CHARS_MAX } from '#host/limits.ts'

import { FACT_BYTES_MAX } from './limits.ts'
import type { TrapReason } from './component/trap.ts'
import type { Carried } from './calls.ts'
import type { CredentialMetadata, OwnerAnswer, OwnerQuestion } from './port.ts'
import type { HandlerAnswer } from './refusal.ts'

export interface CellJob {
  readonly sequence: number
  /** Place of the handler in the registry. */
  readonly handler: number
  readonly body: Uint8Array
  /** Milliseconds since the epoch: the handler's clock stands still at it. */
  readonly now: number
  readonly session: SessionRecord
  readonly answer: OwnerAnswer
  /** Labels of the grant. */
  readonly namespaces: readonly LabelGrant[]
  readonly fields: ReadonlyMap<string, string>
  /** Of each granted key what is public. */
  readonly keys: ReadonlyMap<string, KeyShown>
  readonly credentials: readonly CredentialMetadata[]
  readonly outbox: readonly string[]
  /** Read ahead of the handler's asking. */
  readonly carried?: readonly Carried[]
}

/** A key as the handler sees it. */
export interface KeyShown {
  readonly algorithm: KeyAlgorithm
  readonly publicKey: Uint8Array
}

/** WIT `session.context`, as the component gets it. */
interface SessionRecord {
  readonly connection: string
  readonly kind: 'service' | 'peer' | 'owner'
  readonly contractVersion: number
  readonly eventId: string
  readonly eventType: string
  readonly deadlineMs: number
  readonly approved: boolean
  readonly connectionId: string
}

/** One namespace of the grant, as the cell knows it. The host checks what the cell makes of it. */
export interface LabelGrant {
  readonly label: string
  readonly writable: boolean
  readonly cap?: Room
}

/** The manifest's name for a label: `sandbox/<sandbox>/mutual` is needed as `sandbox/mutual`. */
export function needOf(label: string): string {
  return label.replace(/^sandbox\/[^/]+\/(mutual|own)$/u, 'sandbox/$1')
}

/** What a namespace may hold, and what it held when the event began. */
export interface Room {
  readonly categories: readonly string[] | null
  readonly bytesMax: number
  readonly bytesUsed: number
}

/** WIT `store.attributes`. */
export interface Attributes {
  readonly visibility: 'transparent' | 'opaque'
  readonly category: string | undefined
  /** At least this much. */
  readonly sensitivity?: (typeof sensitivities)[number] | undefined
}

/** From the laxest to the strictest. */
export const sensitivities = ['data', 'secret', 'critical'] as const

/** The name of a category, as contracts have them. */
export function isCategory(name: string): boolean {
  return name.length <= CATEGORY_CHARS_MAX && /^[a-z][a-z0-9_]*$/u.test(name)
}

/** One buffered write; `null` deletes. */
export interface Write {
  readonly label: string
  readonly key: string
  readonly value: Uint8Array | null
  /** Absent: the key keeps what it has. */
  readonly attributes?: Attributes | undefined
}

export interface ReportedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
}

export interface ReportedEvent {
  readonly to: 'owner' | 'connection' | 'connections'
  readonly alias?: string
  readonly type: string
  readonly body: Uint8Array
}

/** Exactly `noun.verb`. */
export function isEventType(type: string): boolean {
  return /^[a-z0-9_-]{1,64}\.[a-z0-9_-]{1,64}$/u.test(type)
}

/** One sentence. */
export function isFact(fact: string): boolean {
  return fact !== '' && Buffer.byteLength(fact) <= FACT_BYTES_MAX
}

/** Why a call ended that neither answered nor refused. */
export type FailReason = TrapReason | 'calls' | 'not-granted'

/** How one event ended, in the cell's words. The host checks each of them. */
export type Outcome =
  | {
      readonly kind: 'done'
      readonly reply: Uint8Array | undefined
      readonly writes: readonly Write[]
      readonly outgoing: readonly ReportedEvent[]
      /** For the audit trail. */
      readonly facts: readonly string[]
    }
  | { readonly kind: 'suspended'; readonly question: OwnerQuestion }
  | { readonly kind: 'refused'; readonly answer: HandlerAnswer }
  | { readonly kind: 'failed'; readonly reason: FailReason; readonly message: string }

export interface Report {
  readonly sequence: number
  readonly outcome: Outcome
  readonly hostCalls: number
  readonly log: readonly ReportedLine[]
  /** Lines were left out because the log was full. */
  readonly logCut: boolean
}

/** What a cell knows of a handler from its start. */
export interface CellHandler {
  readonly name: string
  /** Labels the manifest needs: opening any other is a probe, and ends the event. */
  readonly labels: readonly string[]
  readonly aliases: readonly string[]
  readonly hostCallsMax: number
  readonly outputBytesMax: number
  readonly logBytesMax: number
}

/** From the cell: something waits in shared memory (`0`), or one of these. */
export type FromCell =
  | { readonly kind: 'ready' }
  /** It cannot start: `handler` when that one's instance failed, else its own self-test. */
  | { readonly kind: 'unfit'; readonly handler: string | undefined; readonly why: string }
  | { readonly kind: 'report'; readonly report: Report; readonly used: number }
