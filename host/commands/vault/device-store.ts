/** What an owner's device remembers, in a folder of its own: one file, replaced whole, readable by its owner alone. */
import type { ClientStore } from '#client/transport.ts'
import { bytesUpTo, check, z } from '#host/schema.ts'
import { fileBlobs } from '#host/storage/file-blobs.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

const FILE = 'device.cbor'
const MiB = 1_024 * 1_024
const itemsSchema = z.record(z.string(), bytesUpTo(MiB))

/** @throws Refusal `storage-failed`, `malformed` for a file that is no such store */
export async function openDeviceStore(folder: string): Promise<ClientStore> {
  const blobs = await fileBlobs(folder)
  const bytes = await blobs.read(FILE)
  const kept = bytes && check(itemsSchema, decodeCbor(bytes, { bytesMax: MiB }), 'malformed', `${folder}/${FILE}`)
  const items = new Map(Object.entries(kept ?? {}))
  return {
    get: (key) => items.get(key),
    under: (prefix) =>
      [...items.keys()]
        .filter((key) => key.startsWith(prefix))
        .sort()
        .flatMap((key) => items.get(key) ?? []),
    async put(changes) {
      for (const [key, value] of changes) {
        if (value) items.set(key, value)
        else items.delete(key)
      }
      await blobs.write(FILE, [encodeCbor(Object.fromEntries(items))])
    },
  }
}
