/** What a broker may do to messages, on demand: the memory bus rolls these dice for each one. */
import { REORDER_HOLD_MS } from '#host/limits.ts'

/** Probabilities are 0 to 1. What is stored is never lost: an attempt to deliver it is. */
export interface Chaos {
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly lose?: number
  readonly repeat?: number
  readonly reorder?: number
  /** Each message is held back for a uniform part of this. */
  readonly delayMs?: number
}

/** One roll per question. */
export interface Dice {
  loses(): boolean
  repeats(): boolean
  /** Milliseconds to hold a message back; 0 in the calm case. */
  holdMs(): number
}

export function diceOf(chaos: Chaos | undefined): Dice {
  if (!chaos) return { loses: () => false, repeats: () => false, holdMs: () => 0 }
  const { random, lose = 0, repeat = 0, reorder = 0, delayMs = 0 } = chaos
  return {
    loses: () => random() < lose,
    repeats: () => random() < repeat,
    holdMs: () => random() * delayMs + (random() < reorder ? REORDER_HOLD_MS : 0),
  }
}
