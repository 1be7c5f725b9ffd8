/**
 * The long runs of tests that the suite has a sample of. `npm run soak` is all of them, some hours; `npm run soak fuzz`
 * one. A variable that is set beforehand wins: `SOAK_FUZZ_MS=30000 npm run soak fuzz` is half a minute of it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { findPackageJSON } from 'node:module'
import { dirname, join } from 'node:path'

interface Part {
  readonly what: string
  readonly file: string
  /** Of the file's tests, those whose names match. */
  readonly only?: string
  readonly env: Readonly<Record<string, string>>
}

const parts: Readonly<Record<string, Part>> = {
  fuzz: {
    what: 'ten minutes of changed components in the loader',
    file: 'host/plugin/component/fuzz.test.ts',
    env: { SOAK_FUZZ_MS: '600000' },
  },
  tenants: {
    what: '10,000 events of alternating tenants on the same instances',
    file: 'host/plugin/tenants.test.ts',
    env: { SOAK_EVENTS: '10000' },
  },
  worlds: {
    what: 'the loader against jco on 1,040 made-up worlds',
    file: 'host/plugin/component/worlds.test.ts',
    env: { SOAK_WORLDS: '1040' },
  },
  kills: {
    what: 'a host in a process of its own, killed 1,000 times with SIGKILL at each step of a delivery',
    file: 'host/kill.test.ts',
    env: { SOAK_KILLS: '1000' },
  },
  moves: {
    what: 'a vault that moves between two processes, either killed at every step',
    file: 'host/commands/succession/killed.test.ts',
    env: { SOAK_MOVES: '99' },
  },
  race: {
    what: 'eight devices that write one entry at a time, 1,000 rounds',
    file: 'host/entries-race.test.ts',
    only: 'eight devices race',
    env: { SOAK_ROUNDS: '1000' },
  },
  ends: {
    what: 'an entry written while its host is killed, 500 times, and while its writer is revoked',
    file: 'host/entries-race.test.ts',
    only: 'while',
    env: { SOAK_ROUNDS: '1000', SOAK_KILLS: '500' },
  },
  rebuilds: {
    what: 'every handler that is shipped built again elsewhere, to the same bytes',
    file: 'scripts/pins.test.ts',
    env: { SOAK_REBUILDS: '100' },
  },
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in parts))
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(', ')}: there are ${Object.keys(parts).join(', ')}`)
  process.exit(2)
}
const vitest = join(dirname(findPackageJSON('vitest', import.meta.url) ?? ''), 'vitest.mjs')
for (const [name, { what, file, only, env }] of Object.entries(parts)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  console.log(`${name}: ${what}`)
  const start = performance.now()
  const chosen = only === undefined ? [] : ['-t', only]
  const child = spawn(process.execPath, [vitest, 'run', file, '--disable-console-intercept', ...chosen], {
    stdio: 'inherit',
    env: { ...env, ...process.env },
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) process.exitCode = 1
  console.log(`${name}: ${code === 0 ? 'passed' : 'FAILED'} after ${Math.round((performance.now() - start) / 1_000)} s`)
}
