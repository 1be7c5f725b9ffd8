/** After the owner's PIN: the very requests that waited for it run now, each in a commit of its own. */
import { Refusal } from '#host/errors.ts'
import { COMMIT_ATTEMPTS_MAX } from '#host/limits.ts'
import type { Pool } from '#host/plugin/pool.ts'
import type { Registry } from '#host/plugin/registry.ts'
import { commit } from './commit.ts'
import type { Letter } from './outbox.ts'
import { askerOf, isOpen, type Question, questions } from './pending.ts'
import { resume } from './resume.ts'
import type { Vault } from './vault.ts'

interface Options {
  readonly registry: Registry
  readonly pool: Pool
  readonly now: number
  readonly random: (length: number) => Uint8Array
}

/** The oldest first. With a window of 0 one of them has it; what is not done waits on. */
export async function resumeUnlocked(vault: Vault, options: Options): Promise<readonly Letter[]> {
  const waiting = questions(vault)
    .filter(({ record }) => record.factor !== undefined && record.expires > options.now)
    .sort((one, other) => one.record.row - other.record.row)
  const letters: Letter[] = []
  for (const question of waiting) {
    if (!vault.factor.isOpen(options.now)) break
    letters.push(...(await attempt(vault, question, options)))
  }
  return letters
}

/** Again when what it relied on has changed meanwhile. */
async function attempt(vault: Vault, question: Question, options: Options): Promise<readonly Letter[]> {
  for (let attempts = 1; attempts <= COMMIT_ATTEMPTS_MAX && isOpen(vault, question); attempts++) {
    const connection = askerOf(vault, question.record)
    if (!connection) throw new Error('a question of no connection')
    try {
      const { now, random } = options
      const { row, ...ended } = await resume(
        { vault, connection, question, now },
        { ...options, yes: { choice: null } },
      )
      return await commit({ ...ended, vault, now, random, rows: [row] })
    } catch (error) {
      // A broken log is about this host; anything else leaves the question as it was.
      if (!(error instanceof Refusal) || error.code === 'storage-failed') throw error
      if (error.code !== 'conflict') return []
    }
  }
  return []
}
