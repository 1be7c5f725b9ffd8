/** What an owner types into a command: a file, or standard input. */
import { readFile } from 'node:fs/promises'

import { InvalidArgumentError } from 'commander'

import { Refusal } from '#host/errors.ts'
import { joinBytes } from '#host/wire/bytes.ts'
import { CONTENT_BYTES_MAX } from './limits.ts'

/** @throws Refusal `too-large`; `malformed` for a file that cannot be read */
export async function content(file: string | undefined): Promise<Uint8Array> {
  const bytes = file === undefined || file === '-' ? await typed() : await fileOf(file)
  if (bytes.length > CONTENT_BYTES_MAX) throw new Refusal('too-large', `content: over ${CONTENT_BYTES_MAX} bytes`)
  return bytes
}

/** Lines that say something. */
export async function lines(file: string | undefined): Promise<readonly string[]> {
  const bytes = file === undefined ? await typed() : await fileOf(file)
  return new TextDecoder()
    .decode(bytes)
    .split(/\r?\n/)
    .filter((line) => line.startsWith('TV1 '))
}

/** For an option that is a number from 1 on. */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('it is a number from 1 on.')
}

async function fileOf(file: string): Promise<Uint8Array> {
  return readFile(file).then(
    (bytes) => new Uint8Array(bytes),
    (cause: unknown) => {
      throw new Refusal('malformed', `${file} cannot be read: choose another file`, { cause })
    },
  )
}

async function typed(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of process.stdin) {
    chunks.push(new Uint8Array(chunk as Uint8Array))
    length += chunks.at(-1)?.length ?? 0
    if (length > CONTENT_BYTES_MAX) break
  }
  return joinBytes(chunks)
}
