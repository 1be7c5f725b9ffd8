/** Every example runs as its reader would run it; those that are stories do in `host/commands/story.test.ts`. */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { promisify } from 'node:util'

import { expect, test } from 'vitest'

import { storyNames } from '#host/commands/story.ts'

const run = promisify(execFile)
const EXAMPLE_MS_MAX = 60_000
/** What several examples use, and what is played elsewhere. */
const others = new Set(['asker.ts', 'person.ts', 'release.ts', 'table.ts', ...storyNames.map((name) => `${name}.ts`)])
const examples = readdirSync(import.meta.dirname).filter((name) => !name.endsWith('.test.ts') && !others.has(name))

test('there are examples', () => expect(examples).toContain('messaging.ts'))

test.each(examples)('%s', { timeout: EXAMPLE_MS_MAX }, async (name) => {
  const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', name], {
    cwd: import.meta.dirname,
  })
  expect(stdout).not.toBe('')
})
