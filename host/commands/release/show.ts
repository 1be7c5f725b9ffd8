/** `trellis release show`: a log, verified, for the eye or for programs. */
import type { ReleaseEntry } from '#enclave/release-entry.ts'
import { Refusal } from '#host/errors.ts'
import { paint } from '../paint.ts'
import { table } from '../table.ts'
import { readLogFile } from './log-file.ts'

interface ShowOptions {
  readonly keys: readonly string[]
  readonly json: boolean
  readonly columns: number
}

/** @throws Refusal `release-refused`, `input-invalid` */
export async function show(file: string, { keys, json, columns }: ShowOptions): Promise<void> {
  const log = await readLogFile(file, keys)
  if (log === undefined) throw new Refusal('input-invalid', `release: ${file} is absent: image sign begins a log`)
  const { entries, tree } = log
  if (json) {
    console.log(JSON.stringify({ size: tree.size, root: tree.root.toHex(), entries }, undefined, 2))
    return
  }
  const rows = entries.map((entry) => {
    const [what, of, which] = wordsOf(entry)
    return [String(entry.serial), new Date(entry.at).toISOString().slice(0, 16).replace('T', ' '), what, of, which]
  })
  console.log(table([['entry', 'when', 'what', 'of', 'which'], ...rows], columns))
  console.log(`${paint.good('verified')}  ${tree.size} entries, root ${tree.root.toHex().slice(0, 32)}…`)
}

function wordsOf(entry: ReleaseEntry): readonly [string, string, string] {
  switch (entry.kind) {
    case 'release':
      return [
        'release',
        `${entry.release} (${entry.version})`,
        `root ${entry.root.slice(0, 16)}… ${entry.notes}`.trim(),
      ]
    case 'retire':
      return ['retire', String(entry.release), entry.reason]
    case 'revoke': {
      const builds = entry.digests.map((digest) => `${digest.slice(0, 16)}…`)
      const which = entry.minimum === null ? builds : [`below ${entry.minimum}`, ...builds]
      return ['revoke', entry.handler, `${which.join(', ') || 'any version'}: ${entry.reason}`]
    }
  }
}
