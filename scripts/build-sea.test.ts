import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { Refusal } from '#host/errors.ts'
import { makeImage } from './build-image.ts'
import { buildSea } from './build-sea.ts'

const SLOW_MS = 240_000
let folder: string
/** Why there is no program, when this Node makes none. */
let missing: string | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-sea-'))
  await makeImage(join(folder, 'image'))
  await buildSea(join(folder, 'trellis')).catch((error: unknown) => {
    if (!(error instanceof Refusal)) throw error
    missing = error.message
    console.warn(`single-file build not run: ${missing}`)
  })
}, SLOW_MS)
afterAll(() => rm(folder, { recursive: true }))

test(
  'one program holds the host: it says its version, and takes no flags from outside',
  { timeout: SLOW_MS },
  async () => {
    if (missing !== undefined) return expect(missing).toMatch('needs Node')
    const run = promisify(execFile)
    const env = { NODE_OPTIONS: '--no-such-flag' }
    expect((await run(join(folder, 'trellis'), ['--version'], { env })).stdout).toBe('0.1.0\n')
    const demo = run(join(folder, 'trellis'), ['demo'])
    await expect(demo).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('from a checkout') })
  },
)

test('it runs an image: cells start in it', { timeout: SLOW_MS }, async () => {
  if (missing !== undefined) return expect(missing).toMatch('needs Node')
  const args = ['up', '--data', join(folder, 'data'), '--image', join(folder, 'image')]
  const child = spawn(join(folder, 'trellis'), args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (line.startsWith('trellis is up')) child.kill('SIGTERM')
  }
  if (child.exitCode === null) await once(child, 'exit')
  expect(lines).toEqual([
    expect.stringMatching(/^measured in \d+ ms/),
    expect.stringMatching(/^trellis is up/),
    expect.stringMatching(/^trellis is down/),
  ])
  expect(child.exitCode).toBe(0)
})
