/** Files that are named on a command line: what cannot be used ends the command with exit 2, as wrong usage does. */
import { type FileHandle, mkdir, open, readdir, writeFile } from 'node:fs/promises'

import { Refusal } from '#host/errors.ts'
import { joinBytes } from '#host/wire/bytes.ts'

interface Wanted {
  /** What the reader is told that it should be. */
  readonly what: string
  readonly bytesMax: number
}

const CHUNK_BYTES = 1_048_576

/** All of a file. @throws Refusal `input-invalid` for one that is absent, a folder, too large or unreadable */
export async function readInput(path: string, wanted: Wanted): Promise<Uint8Array> {
  const bytes = await readInputIfThere(path, wanted)
  if (bytes) return bytes
  throw new Refusal('input-invalid', `${wanted.what}: ${path} is not there: check its name`)
}

/** The same for a file that may be absent. @throws Refusal `input-invalid` */
export async function readInputIfThere(path: string, { what, bytesMax }: Wanted): Promise<Uint8Array | undefined> {
  try {
    await using handle = await open(path, 'r')
    const { size } = await handle.stat()
    const bytes = size > bytesMax ? undefined : await readUpTo(handle, bytesMax)
    if (bytes) return bytes
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw unusable(`${what}: ${path} cannot be read`, cause)
  }
  throw new Refusal('input-invalid', `${what}: ${path} has more than ${bytesMax} bytes: none has as many`)
}

/** Whatever the file's size says: a pipe has none. Undefined when there is more. */
async function readUpTo(handle: FileHandle, bytesMax: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(CHUNK_BYTES), { position: null })
    if (bytesRead === 0) return joinBytes(chunks)
    length += bytesRead
    if (length > bytesMax) return undefined
    chunks.push(buffer.subarray(0, bytesRead))
  }
}

/** Replaces what is there. @throws Refusal `input-invalid` */
export async function writeOutput(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(path, bytes).catch((cause: unknown) => {
    throw unusable(`${path} cannot be written`, cause)
  })
}

/** The folder for what is kept, made where it is not there: its owner's alone. @throws Refusal `input-invalid` */
export async function makeDataFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw unusable(`data folder ${path} cannot be made`, cause)
  })
}

/** Names in a folder. @throws Refusal `input-invalid` */
export async function listInput(path: string, what: string): Promise<readonly string[]> {
  return readdir(path).catch((cause: unknown) => {
    throw unusable(`${what}: ${path} cannot be read`, cause)
  })
}

/** A refusal that says why in the words of the system, without its call and its path. */
export function unusable(said: string, cause: unknown): Refusal {
  const why = REASONS.get(codeOf(cause) ?? '') ?? codeOf(cause) ?? 'failed'
  return new Refusal('input-invalid', `${said}: ${why}: name another`, { cause })
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'it is not there'],
  ['EISDIR', 'it is a folder'],
  ['EEXIST', 'it is a file'],
  ['ENOTDIR', 'it is in no folder'],
  ['EACCES', 'it is not yours to use'],
  ['EPERM', 'it is not yours to use'],
])

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
