/**
 * The host and its runtime as one program (Node's single executable application): one file to measure, and nothing from
 * the environment. It runs images that bring handlers alone, since a host of an image names another runtime.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { Refusal } from '../host/errors.ts'
import { bundle } from './bundle-host.ts'

const run = promisify(execFile)

/** Walls that need no path. `up --hardened` adds those that do, by starting the program anew. */
const BAKED = [
  '--disallow-code-generation-from-strings',
  '--disable-proto=delete',
  '--frozen-intrinsics',
  '--no-addons',
  '--no-experimental-sqlite',
  '--disable-warning=ExperimentalWarning',
  '--disable-warning=SecurityWarning',
]

/** Of the Node that runs this. @throws Refusal `toolchain-missing` when it cannot make one */
export async function buildSea(out: string): Promise<void> {
  if (major() < NODE_WITH_BUILD_SEA) {
    throw new Refusal('toolchain-missing', `build:sea needs Node ${NODE_WITH_BUILD_SEA} or newer: this is ${major()}`)
  }
  const folder = await mkdtemp(join(tmpdir(), 'trellis-sea-'))
  try {
    const main = join(folder, 'main.mjs')
    await writeFile(main, await bundle('host/main.ts'))
    const config = {
      main: 'main.mjs',
      mainFormat: 'module',
      output: resolve(out),
      disableExperimentalSEAWarning: true,
      execArgv: BAKED,
      execArgvExtension: 'cli',
    }
    await writeFile(join(folder, 'sea.json'), JSON.stringify(config))
    await mkdir(dirname(resolve(out)), { recursive: true })
    // From its own folder: names of files are in the program.
    await run(process.execPath, ['--build-sea', 'sea.json'], { cwd: folder })
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** It brought `--build-sea` for ES modules. */
const NODE_WITH_BUILD_SEA = 26

function major(): number {
  return Number(process.versions.node.split('.')[0])
}

if (import.meta.main) {
  const out = process.argv[2] ?? fileURLToPath(new URL('../dist/trellis', import.meta.url))
  await buildSea(out)
  console.log(out)
}
