/**
 * What a device remembers of its vault comes with each of its commands: a host that was given an older copy meanwhile
 * is found out by the first of them, before anything is done.
 */
import { SEND_GAP } from '#host/limits.ts'
import { check, z } from '#host/schema.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { anchorSchema, behindChange, checkNotBehind, isBehind } from './anchor.ts'
import { commit, type Leaving } from './commit.ts'
import type { Opened } from './open.ts'
import type { Device } from './party.ts'

const shown = z.looseObject({ anchor: z.exactOptional(anchorSchema) })
const map = z.record(z.string(), z.custom<Cbor>())

/**
 * The command without what the device remembers: nobody else is shown that.
 *
 * @throws Refusal `malformed`, `journal-behind` when this vault is an older or another copy
 */
export async function takeRemembered(
  opened: Opened,
  device: Device,
  { now, random }: Pick<Leaving, 'now' | 'random'>,
): Promise<Opened> {
  const { vault, event } = opened
  const { anchor, ...rest } = check(shown, decodeCbor(event.body), 'malformed', 'command')
  if (anchor && isBehind(vault, device, anchor)) {
    // Numbers that the device has seen from the newer copy would be taken for repeats: it is to hear this answer.
    device.session?.skipAhead(SEND_GAP)
    await commit({ vault, now, random, changes: [behindChange(device)], rows: [] })
  }
  checkNotBehind(vault)
  if (!anchor) return opened
  const body = encodeCbor(check(map, rest, 'malformed', 'command'))
  return { ...opened, event: { ...event, body } }
}
