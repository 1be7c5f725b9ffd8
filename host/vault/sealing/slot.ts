/** Where the keys of vaults are kept: read and replaced whole, one change of a vault at a time. */
import { Refusal } from '#host/errors.ts'
import type { BlobStore } from '#host/storage/port.ts'
import type { VaultId } from '#host/wire/id.ts'

export interface Slots {
  read(id: VaultId): Promise<Uint8Array | undefined>
  /**
   * Replaces what is there now by what `change` makes of it: nobody of this process comes in between.
   *
   * @throws Refusal `vault-unknown`, or what `change` throws: then nothing is replaced
   */
  update(id: VaultId, change: (bytes: Uint8Array) => Uint8Array): Promise<void>
}

export function openSlots(blobs: BlobStore, nameOf: (id: VaultId) => string): Slots {
  const turns = turnsByVault()
  return {
    read: (id) => blobs.read(nameOf(id)),
    update: (id, change) =>
      turns(id, async () => {
        const bytes = await blobs.read(nameOf(id))
        if (!bytes) throw new Refusal('vault-unknown', `vault ${id} has no key file: put it back`)
        await blobs.write(nameOf(id), [change(bytes)])
      }),
  }
}

/** Work on one vault waits for the work before it, however that ended. */
export function turnsByVault(): <T>(key: VaultId, work: () => Promise<T>) => Promise<T> {
  const last = new Map<VaultId, Promise<unknown>>()
  return (key, work) => {
    const before = last.get(key) ?? Promise.resolve()
    const mine = before.then(work, work)
    const settled = mine.then(
      () => undefined,
      () => undefined,
    )
    last.set(key, settled)
    void settled.then(() => {
      if (last.get(key) === settled) last.delete(key)
    })
    return mine
  }
}
