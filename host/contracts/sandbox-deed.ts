/** The words of a shared sandbox: what lies in it, what may be done there, and what that leaves. */
import type { RefusalCode } from '#host/errors.ts'

import type { SandboxTerms, Side } from './sandbox.ts'

export type Area = Side | 'mutual'
/** An area as the one who asks sees it. */
export type Place = 'mine' | 'theirs' | 'mutual'
/** What the other side may do with one item of a private area. */
export type Grant = 'none' | 'visible' | 'writable'

export interface SandboxItem {
  /** In the guest's area, while it is not shared: sealed by the guest. */
  readonly value: Uint8Array
  readonly revision: number
  /** What the writer relied on: the guest's seal is bound to it. */
  readonly base: number
  /** Who wrote it last. */
  readonly author: Side
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly grant: Grant
  /** Of the guest's, whose names are sealed: what the creator calls it while it is shared, if not by its key. */
  readonly name?: string
}

export interface Proposal {
  readonly deed: Proposable
  readonly by: Side
  readonly at: number
}

/** What the rules read. */
export interface SandboxState {
  readonly terms: SandboxTerms
  readonly ended: boolean
  /** The last change's number. */
  readonly change: number
  /** Of the three areas, as `itemSize` counts. */
  readonly bytes: number
  readonly historyBytes: number
  readonly proposals: number
  item(area: Area, key: string): SandboxItem | undefined
  /** Where in the guest's area an item lies that is shared under this name. */
  shown(name: string): string | undefined
  proposal(number: number): Proposal | undefined
}

/** `expected` is the revision that the writer relied on: 0 means absent. */
export type Proposable =
  | {
      readonly kind: 'write'
      readonly place: Place
      readonly key: string
      readonly value: Uint8Array
      readonly expected: number
      /** From a guest about its own side: not sealed, since the item is shared. */
      readonly open: boolean
    }
  | { readonly kind: 'remove'; readonly place: Place; readonly key: string; readonly expected: number }
  | {
      readonly kind: 'move'
      readonly to: 'mutual' | 'mine'
      readonly key: string
      readonly expected: number
      /** From a guest, whose side is sealed: what it is at its new place. */
      readonly value: Uint8Array | null
      /** From a guest, too: what it is called there, if not as before. */
      readonly name?: string | null
    }

export type Deed =
  | Proposable
  | {
      readonly kind: 'share'
      readonly key: string
      readonly grant: Grant
      readonly expected: number
      /** From a guest: opened when the creator shall see it, sealed again when not. */
      readonly value: Uint8Array | null
      /** From a guest: what the creator shall call it, if not by its key. */
      readonly name?: string | null
    }
  /** The proposer may take its own back, and nothing else. */
  | { readonly kind: 'decide'; readonly proposal: number; readonly approve: boolean }
  | { readonly kind: 'end' }

export interface AreaWrite {
  readonly area: Area
  readonly key: string
  readonly item: SandboxItem | null
}

/** One line of the mutual area's history. */
export interface HistoryEntry {
  readonly change: number
  readonly at: number
  readonly by: Side
  readonly kind: 'write' | 'remove' | 'move-in' | 'move-out'
  readonly key: string
  /** What it became; `null` when it left the area. */
  readonly value: Uint8Array | null
  /** Whether the other side had to say yes. */
  readonly approved: boolean
}

/** Everything that a deed changes. */
export interface Outcome {
  readonly kind: 'done'
  readonly change: number
  readonly bytes: number
  readonly historyBytes: number
  readonly writes: readonly AreaWrite[]
  readonly history: HistoryEntry | null
  /** The proposal that is over, and how: `null` for done as proposed. */
  readonly settled: { readonly proposal: number; readonly refused: RefusalCode | null } | null
  readonly ended: boolean
}

export type SandboxVerdict =
  | Outcome
  /** The other side is asked; the proposal's number is the change. */
  | { readonly kind: 'asks'; readonly change: number; readonly proposal: Proposal }
  | SandboxRefusal

export interface SandboxRefusal {
  readonly kind: 'refused'
  readonly code: RefusalCode
  readonly why: string
}

export interface Doer {
  readonly by: Side
  readonly now: number
}
