/** The example runs as its reader would run it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { expect, test } from 'vitest'

const run = promisify(execFile)

test(
  'a patient’s consents are granted, denied, expire, are opened in an emergency and end',
  { timeout: 120_000 },
  async () => {
    const args = ['--disable-warning=ExperimentalWarning', 'consent.ts']
    const { stdout } = await run(process.execPath, args, { cwd: import.meta.dirname })
    const lines = ['permitted for treatment', 'but not this one', 'revoked: it ended', 'expired', 'opened for one hour']
    for (const line of lines) expect(stdout).toContain(line)
  },
)
