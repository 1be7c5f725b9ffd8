import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
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
  'one program holds the host: it says its version, and takes nothing from the environment',
  { timeout: SLOW_MS },
  async () => {
    if (missing !== undefined) return expect(missing).toMatch('needs Node')
    const exec = promisify(execFile)
    const env = { NODE_OPTIONS: '--no-such-flag' }
    expect((await exec(join(folder, 'trellis'), ['--version'], { env })).stdout).toBe('0.1.0\n')
    const demo = exec(join(folder, 'trellis'), ['demo'])
    await expect(demo).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('from a checkout') })
  },
)

/** Up, and down when it is. */
async function run(...args: readonly string[]): Promise<{ code: number | null; out: string[]; errors: string[] }> {
  const child = spawn(join(folder, 'trellis'), ['up', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const errors = Array.fromAsync(createInterface({ input: child.stderr }))
  const out: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    out.push(line)
    if (line.startsWith('trellis is up')) child.kill('SIGTERM')
  }
  if (child.exitCode === null) await once(child, 'exit')
  return { code: child.exitCode, out, errors: await errors }
}

const MEASURED = expect.stringMatching(/^measured in \d+ ms/)
const UP_AND_DOWN = [expect.stringMatching(/^trellis is up/), expect.stringMatching(/^trellis is down/)]

test('it runs an image: cells start in it', { timeout: SLOW_MS }, async () => {
  if (missing !== undefined) return expect(missing).toMatch('needs Node')
  const { code, out } = await run('--data', join(folder, 'data'), '--image', join(folder, 'image'))
  expect({ code, out }).toEqual({ code: 0, out: [MEASURED, ...UP_AND_DOWN] })
})

test('hardened, it starts itself anew behind the walls, wherever its data lies', { timeout: SLOW_MS }, async () => {
  if (missing !== undefined) return expect(missing).toMatch('needs Node')
  const data = join(folder, 'a "quoted" \\ folder')
  const { code, out } = await run('--hardened', '--data', data, '--image', join(folder, 'image'))
  const walls = expect.stringMatching(/^walls: files elsewhere, .*threads, node:sqlite, .*the network; not there: one/)
  expect({ code, out }).toEqual({ code: 0, out: [MEASURED, walls, ...UP_AND_DOWN] })
})

test('an image with a host of its own names another runtime: it says what to start', { timeout: SLOW_MS }, async () => {
  if (missing !== undefined) return expect(missing).toMatch('needs Node')
  const image = join(folder, 'whole')
  await mkdir(image)
  await writeFile(join(image, 'boot.mjs'), '')
  const { code, errors } = await run('--data', join(folder, 'data'), '--image', image)
  expect({ code, errors }).toEqual({ code: 1, errors: [expect.stringMatching(/start it with node boot.mjs up$/)] })
})
