/** What an owner's device remembers, in a folder of its own: one file, replaced whole, readable by its owner alone. */
import { type ClientStore, forgetfulStore } from '#client/transport.ts'
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
  const store = forgetfulStore(items)
  return {
    ...store,
    async put(changes) {
      await store.put(changes)
      await blobs.write(FILE, [encodeCbor(Object.fromEntries(items))])
    },
  }
}
