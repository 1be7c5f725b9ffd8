/**
 * From Rust to a component, or to the core module Extism runs: a rustc that has the standard library for wasm32, and
 * its own linker or wasm-ld.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'

import type { BuildOptions } from './toolchain.ts'

const run = promisify(execFile)

const TARGET = 'wasm32-unknown-unknown'
const STACK_BYTES = 65_536
const compileOptions = [
  '--crate-type=cdylib',
  '--crate-name=handler',
  '--edition=2021',
  `--target=${TARGET}`,
  '--error-format=short',
  '-Copt-level=s',
  '-Cpanic=abort',
  '-Cstrip=symbols',
  `-Clink-arg=-zstack-size=${STACK_BYTES}`,
]

interface Rust {
  readonly rustc: string
  /** What links when rustc brings no linker of its own. */
  readonly linkOptions: readonly string[]
}

/** What to install; undefined when a compiler for wasm32 is there. */
export async function missingRust(): Promise<string | undefined> {
  if ((await findRust()) !== undefined) return undefined
  return (
    `Rust needs the standard library for ${TARGET}: rustup target add ${TARGET}; ` +
    'or Debian’s: apt-get install rustc libstd-rust-dev-wasm32 lld'
  )
}

/** `rustc 1.63.0`, of the one that builds; undefined without one. */
export async function rustVersion(): Promise<string | undefined> {
  const rust = await findRust()
  return rust && outputOf(rust.rustc, ['--version'])
}

/** @throws Error with rustc's own output */
export async function buildRust(options: BuildOptions): Promise<void> {
  const core = await compileRust(options.source)
  // Loaded when there is something to build: it brings the other languages' compilers.
  const { writeComponent } = await import('./toolchain.ts')
  await writeComponent(core, options)
}

/** The core module of one crate, without Cargo. @throws Error with rustc's own output */
export async function compileRust(source: string): Promise<Uint8Array> {
  const rust = await findRust()
  if (rust === undefined) throw new Error(await missingRust())
  const folder = await mkdtemp(join(tmpdir(), 'trellis-rust-'))
  const out = join(folder, 'core.wasm')
  try {
    // A panic says where it is: without the folder, so that the bytes are the same wherever it was built.
    const nameless = `--remap-path-prefix=${dirname(source)}=`
    await run(rust.rustc, [...compileOptions, nameless, ...rust.linkOptions, source, '-o', out])
    return new Uint8Array(await readFile(out))
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
    throw said === '' ? error : new Error(said.replaceAll(/^(?:error: aborting|warning: \d+).*\n?/gmu, '').trim())
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** The first on PATH whose target is installed: with rustup's before the system's, either may have it. */
async function findRust(): Promise<Rust | undefined> {
  const folders = new Set((process.env['PATH'] ?? '').split(delimiter).filter(Boolean))
  for (const rustc of [...folders].map((folder) => join(folder, 'rustc')).filter(existsSync)) {
    const libraries = await outputOf(rustc, ['--print', 'target-libdir', '--target', TARGET])
    if (libraries === undefined || !(await hasCore(libraries))) continue
    const host = join(dirname(dirname(dirname(libraries))), 'rustlib', await hostOf(rustc), 'bin', 'rust-lld')
    if (existsSync(host)) return { rustc, linkOptions: [] }
    if ((await outputOf('wasm-ld', ['--version'])) !== undefined) return { rustc, linkOptions: ['-Clinker=wasm-ld'] }
  }
  return undefined
}

async function hasCore(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => [])
  return names.some((name) => /^libstd-.*\.rlib$/u.test(name))
}

async function hostOf(rustc: string): Promise<string> {
  return /^host: (\S+)$/mu.exec((await outputOf(rustc, ['-vV'])) ?? '')?.[1] ?? ''
}

async function outputOf(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await run(command, [...args])).stdout.trim()
  } catch {
    return undefined
  }
}
