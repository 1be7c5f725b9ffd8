/**
 * What a device remembers of its vault's past: how far it was. A vault that later knows less was put back to an older
 * copy, or to another one, by whoever runs its host.
 */
import { Refusal } from '#host/errors.ts'
import { bytesOf, check, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import type { ClientStore } from './transport.ts'

const count = z.number().int().min(0)
const anchorSchema = z.strictObject({ sequence: count, chain: bytesOf(32), epoch: count })

/** A place in the vault's chain of commits, and the epoch of its key. */
export type Anchor = z.infer<typeof anchorSchema>

/** An answer that says where the vault was. Older hosts say nothing. */
export const anchored = z.object({ anchor: z.exactOptional(anchorSchema) })

export interface AnchorMemory {
  /** The newest one; `undefined` before the first answer. */
  readonly newest: Anchor | undefined
  /**
   * Remembers what an answer says. `known` is what was remembered when it was asked for.
   *
   * @throws Refusal `journal-behind` when the vault knows less than that, or has another past
   */
  take(anchor: Anchor | undefined, known: Anchor | undefined): Promise<void>
}

/** Kept in the store under the vault's name. */
export function anchorMemory(store: ClientStore, vault: string): AnchorMemory {
  const key = `vine/${vault}/anchor`
  const stored = store.get(key)
  let newest = stored && check(anchorSchema, decodeCbor(stored), 'malformed', 'the anchor kept on this device')
  return {
    get newest() {
      return newest
    },
    async take(anchor, known) {
      if (known && (anchor === undefined || isBefore(anchor, known))) throw behind(vault)
      if (anchor === undefined || (newest && anchor.sequence <= newest.sequence)) return
      newest = anchor
      await store.put(new Map([[key, encodeCbor(anchor)]]))
    },
  }
}

/** What a device is told, or finds out, when its vault is not what it was. */
export function behind(vault: string): Refusal {
  const what = `vault ${vault} has forgotten what it told this device: an older or another copy is in its place`
  return new Refusal('journal-behind', `${what}, have its host restore the newest, or pair anew after your own restore`)
}

/** Whether a vault that is there has forgotten what this command of ours showed that it knew. */
export function forgets(command: Uint8Array, anchor: Anchor): boolean {
  const { anchor: known } = check(anchored, decodeCbor(command), 'malformed', 'a command of this device')
  return known !== undefined && isBefore(anchor, known)
}

function isBefore(anchor: Anchor, known: Anchor): boolean {
  if (anchor.sequence < known.sequence || anchor.epoch < known.epoch) return true
  return anchor.sequence === known.sequence && !equalBytes(anchor.chain, known.chain)
}
