/** Where a host is killed, and what its process is told. */
import type { HandlerFiles } from './host.ts'

/** Steps of `deliver` and of what surrounds it, and what is true between each and the next. */
export const STEPS = {
  take: 'taken from the bus, nothing read',
  decode: 'decoded, not opened',
  open: 'opened, not admitted',
  admit: 'admitted, not run',
  dispatch: 'run, nothing written',
  write: 'being written, not durable',
  commit: 'durable, nothing sent',
  suspend: 'a question is durable, nobody was asked',
  obey: "a device's command is durable, not answered",
  refuse: 'refused and counted, not answered',
  send: 'on its way to the bus',
  publish: 'sent, not acknowledged to the bus',
  acknowledge: 'acknowledged, which is not durable yet',
} as const

export type Step = keyof typeof STEPS

/** What one process does until its end. */
export interface Plan {
  readonly folder: string
  readonly handlers: readonly HandlerFiles[]
  /** Where it ends itself; null when the parent ends it. */
  readonly step: Step | null
  /** How many deliveries reach that step: the last of them is the end. */
  readonly count: number
  /** What is begun with a delivery that is taken. */
  readonly upkeep: { readonly what: 'snapshot' | 'renewal'; readonly at: number } | null
}

/** What the processes tell each other. */
export type Word =
  | { readonly kind: 'plan'; readonly plan: Plan }
  | { readonly kind: 'ready' }
  | { readonly kind: 'message'; readonly subject: string; readonly data: Uint8Array }
