/**
 * What a host that ended well leaves beside its vaults: which of them were settled, and when each has something to do.
 * The next host opens the others at once. It takes the list away first: after a crash there is none, and every vault
 * is opened once.
 */
import { readFile, rm } from 'node:fs/promises'
import { basename, dirname } from 'node:path'

import { digest } from '#host/crypto/kdf.ts'
import { Refusal } from '#host/errors.ts'
import { fileBlobs, syncFolder } from '#host/storage/file-blobs.ts'
import { WAKE_BYTES_MAX } from '#host/storage/limits.ts'
import { check, timestamp, z } from '#host/schema.ts'

/** Milliseconds since the epoch by vault; `null` for one that waits for a message. */
export type WakeTimes = ReadonlyMap<string, number | null>

const schema = z.strictObject({
  v: z.literal(1),
  /** Of the published manifests: with others, vaults have something to tell. */
  handlers: z.string(),
  vaults: z.record(z.string(), timestamp.nullable()),
})

/** Gives the list and removes it. An empty one when there is none, when it is of other handlers, or no list. */
export async function takeWakeTimes(path: string, handlers: string): Promise<WakeTimes> {
  const bytes = await readFile(path).catch(() => undefined)
  if (bytes === undefined) return new Map()
  await rm(path)
  // A list that came back with the power would hide what happened since.
  await syncFolder(dirname(path))
  try {
    if (bytes.length > WAKE_BYTES_MAX) return new Map()
    const listed = check(schema, JSON.parse(new TextDecoder().decode(bytes)) as unknown, 'malformed', 'wake list')
    return new Map(listed.handlers === nameOf(handlers) ? Object.entries(listed.vaults) : [])
  } catch (error) {
    if (error instanceof Refusal || error instanceof SyntaxError) return new Map()
    throw error
  }
}

/** To be called when nothing happens any more. @throws Refusal `storage-failed` */
export async function leaveWakeTimes(path: string, handlers: string, times: WakeTimes): Promise<void> {
  const text = JSON.stringify({ v: 1, handlers: nameOf(handlers), vaults: Object.fromEntries(times) })
  const blobs = await fileBlobs(dirname(path))
  await blobs.write(basename(path), [new TextEncoder().encode(text)])
}

function nameOf(handlers: string): string {
  return digest('trellis wake list', new TextEncoder().encode(handlers)).toHex()
}
