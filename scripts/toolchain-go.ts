/** From Go to the core module Extism runs, with the Go that is on PATH. */
import { execFile, spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What to install; undefined when there is a Go that exports functions: since 1.24. */
export function missingGo(): string | undefined {
  const version = goVersion()
  const minor = /^go1\.(\d+)/u.exec(version ?? '')?.[1]
  if (minor !== undefined && Number(minor) >= 24) return undefined
  const here = version === undefined ? 'there is none on PATH' : `on PATH is ${version}`
  return (
    `Go needs the go command, 1.24 or newer (${here}): its installer from go.dev/dl, ` +
    'or Debian 13’s: apt-get install golang'
  )
}

/** `go1.26.8`; undefined without Go. */
export function goVersion(): string | undefined {
  const { error, stdout } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' })
  return error === undefined ? stdout.trim() : undefined
}

/**
 * Builds the module in `folder` as a reactor for WASI preview 1. Same sources and same Go, same bytes.
 *
 * @throws Error with Go's own output when the source is wrong, or when there is no Go
 */
export async function buildGo(folder: string, out: string): Promise<void> {
  const missing = missingGo()
  if (missing !== undefined) throw new Error(missing)
  const args = [
    'build',
    '-trimpath',
    '-buildvcs=false',
    '-ldflags=-s -w',
    '-buildmode=c-shared',
    '-o',
    resolve(out),
    '.',
  ]
  const env = { ...process.env, GOOS: 'wasip1', GOARCH: 'wasm', CGO_ENABLED: '0' }
  try {
    await run('go', args, { cwd: folder, env, maxBuffer: 16 * 1024 * 1024 })
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
    throw new Error(said.replaceAll(/^# .*\n/gmu, '').replaceAll(/^\.\//gmu, ''), { cause: error })
  }
}
