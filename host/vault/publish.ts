/** Hands what was committed to the bus. What the bus does not take stays in the outbox and is offered again. */
import { Refusal } from '#host/errors.ts'
import type { Bus } from '#host/messaging/port.ts'
import type { Letter, Outbox } from './outbox.ts'

/** Resolves when the bus took the letters or refused them for now; the outbox knows which. */
export async function publish(
  letters: readonly Letter[],
  { bus, outbox }: { bus: Bus; outbox: Outbox },
): Promise<void> {
  for (const letter of letters) {
    try {
      await bus.publish(letter.subject, letter.envelope)
    } catch (error) {
      if (error instanceof Refusal && error.code === 'bus-unavailable') continue
      throw error
    }
    outbox.sent(letter)
  }
}
