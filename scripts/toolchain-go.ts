/** From Go to the core module Extism runs, with the Go that is on PATH. */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What the kit is written over, as the template's `go.mod` has it. */
export const GO_PDK = 'github.com/extism/go-pdk v1.1.3'
const template = fileURLToPath(new URL('../templates/go', import.meta.url))
/** Of a proxy that does not answer. */
const FETCH_MS_MAX = 60_000

/**
 * What to install; undefined when there is a Go that exports functions, since 1.24, and the modules that the folder's
 * `go.mod` asks for, or the template's. Those that are not in Go's cache are fetched.
 */
export async function missingGo(folder: string): Promise<string | undefined> {
  const version = goVersion()
  const minor = /^go1\.(\d+)/u.exec(version ?? '')?.[1]
  if (minor !== undefined && Number(minor) >= 24)
    return missingModules(existsSync(join(folder, 'go.mod')) ? folder : template)
  const here = version === undefined ? 'there is none on PATH' : `on PATH is ${version}`
  return (
    `Go needs the go command, 1.24 or newer (${here}): its installer from go.dev/dl, ` +
    'or Debian 13’s: apt-get install golang'
  )
}

async function missingModules(folder: string): Promise<string | undefined> {
  const fetch = (env: NodeJS.ProcessEnv) => run('go', ['mod', 'download'], { cwd: folder, env, timeout: FETCH_MS_MAX })
  try {
    // Where all is in the cache, no proxy is asked.
    await fetch({ ...process.env, GOPROXY: 'off' }).catch(() => fetch(process.env))
    return undefined
  } catch (error) {
    return (
      `Go needs the modules that go.mod names (the Extism PDK, ${GO_PDK}), and its cache lacks them: ` +
      'go mod download, in the handler’s folder, where a module proxy can be reached; ' +
      'or GOPROXY=<a mirror of your own>, or GOMODCACHE=<the cache of a machine that has them>. ' +
      `Go says: ${saidBy(error).split('\n').at(-1)}`
    )
  }
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
  const missing = await missingGo(folder)
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
    const said = saidBy(error)
    throw new Error(said.replaceAll(/^# .*\n/gmu, '').replaceAll(/^\.\//gmu, ''), { cause: error })
  }
}

function saidBy(error: unknown): string {
  return error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
}
