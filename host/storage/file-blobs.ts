/** Small files in one folder, each replaced whole. */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { Refusal } from '#host/errors.ts'
import { writeAll } from './file-log.ts'
import { flush } from './flush.ts'
import type { BlobStore } from './port.ts'
import { messageOf } from './turns.ts'

/** Makes the folder (0700) when it is absent. Files are 0600. A crash may leave a draft: the next write removes it. */
export async function fileBlobs(folder: string): Promise<BlobStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return {
    async read(name) {
      try {
        return new Uint8Array(await readFile(join(folder, name)))
      } catch (cause) {
        if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
        throw failed(join(folder, name), cause)
      }
    },
    async write(name, chunks) {
      const file = join(folder, name)
      try {
        await rm(`${file}.draft`, { force: true })
        const draft = await open(`${file}.draft`, 'wx', 0o600)
        try {
          await writeAll(draft, chunks)
          await flush(draft, 'all')
        } finally {
          await draft.close()
        }
        await rename(`${file}.draft`, file)
        await syncFolder(folder)
      } catch (cause) {
        throw failed(file, cause)
      }
    },
  }
}

/** What was made, renamed or removed in a folder is durable when this resolves. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await flush(handle, 'all')
  } finally {
    await handle.close()
  }
}

function failed(file: string, cause: unknown): Refusal {
  return new Refusal('storage-failed', `${file} could not be read or written: ${messageOf(cause)}`, { cause })
}
