/** What the demo shows: acts, one line per thing that happened, and below it the steps of the event that did it. */
import type { Trace } from '#host/watch.ts'
import { paint } from '../paint.ts'
import { clip } from '../table.ts'

export interface Printer {
  act(number: number, title: string): void
  /** Something that came out as it should. */
  fact(actor: string, text: string): void
  /** A refusal that came out as it should. */
  refusal(code: string, text: string): void
  /** The steps of one delivered event. */
  steps(trace: Trace): void
  note(text: string): void
}

const ACTOR_WIDTH = 6
const CODE_WIDTH = 18

export function printer(columns: number, write: (line: string) => void): Printer {
  const width = Math.max(40, columns)
  return {
    act(number, title) {
      write('')
      write(paint.title(`${number} ${title}`))
    },
    fact(actor, text) {
      const room = width - ACTOR_WIDTH - 5
      write(`  ${paint.good('✓')} ${paint.name(actor.padEnd(ACTOR_WIDTH))} ${clip(text, room)}`)
    },
    refusal(code, text) {
      write(`  ${paint.good('✓')} ${paint.name(code.padEnd(CODE_WIDTH))} ${clip(text, width - CODE_WIDTH - 5)}`)
    },
    steps({ steps, outcome }) {
      const total = steps.reduce((sum, { us }) => sum + us, 0)
      const parts = steps.map(({ name, us }) => `${name} ${Math.round(us)}`).join(' · ')
      const end = outcome === 'done' ? '' : ` → ${outcome}`
      write(paint.soft(clip(`    ${parts} = ${Math.round(total)} µs${end}`, width)))
    },
    note: (text) => write(paint.soft(clip(text, width))),
  }
}
