/** Every example runs as its reader would run it. */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { promisify } from 'node:util'

import { expect, test } from 'vitest'

const run = promisify(execFile)
const EXAMPLE_MS_MAX = 60_000
/** What several examples use. */
const shared = new Set(['asker.ts', 'person.ts', 'release.ts', 'table.ts'])
const examples = readdirSync(import.meta.dirname).filter((name) => !name.endsWith('.test.ts') && !shared.has(name))

test('there are examples', () => expect(examples).toContain('messaging.ts'))

test.each(examples)('%s', { timeout: EXAMPLE_MS_MAX }, async (name) => {
  const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', name], {
    cwd: import.meta.dirname,
  })
  expect(stdout).not.toBe('')
})
