/**
 * A real nats-server for tests and demos: found on this machine, else installed once into `.cache/nats-server`.
 *
 * `node scripts/nats-server.ts` prints the URL of a fresh one and runs until SIGTERM.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, constants, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

import { installNatsServer } from './nats-install.ts'

const run = promisify(execFile)

/** Older ones have published security holes. */
const VERSION_MIN = [2, 14, 3] as const
const CACHE = join(import.meta.dirname, '..', '.cache', 'nats-server')
const PLACES = ['/usr/sbin', '/usr/bin', '/usr/local/bin', '/opt/homebrew/bin', join(homedir(), 'go', 'bin'), CACHE]
const START_MS_MAX = 15_000
const STOP_MS_MAX = 10_000
const POLL_MS = 5

export interface NatsServerOptions {
  /** A free one by default. */
  readonly port?: number
  /** Kept when given; a fresh folder that goes with the server by default. */
  readonly storeDir?: string
  /** More lines of its configuration: users, limits. */
  readonly config?: string
}

export interface NatsServer extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  /** Ends it by its pid and removes its folder, when it was ours. */
  stop(): Promise<void>
  /** SIGKILL, nothing else: what it stored stays. */
  kill(): void
}

/**
 * The path of a nats-server of at least 2.14.3: `NATS_SERVER_BIN`, PATH, the usual places, then an installation.
 *
 * @throws Error that says how to get one
 */
async function findNatsServer(): Promise<string> {
  const named = process.env['NATS_SERVER_BIN']
  if (named) {
    const version = await versionOf(named)
    if (isRecent(version)) return named
    throw new Error(
      `NATS_SERVER_BIN: ${version ? `version ${version} is too old` : 'is no nats-server that runs'}: ${named}`,
    )
  }
  const folders = [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ...PLACES]
  for (const folder of new Set(folders)) {
    const path = join(folder, 'nats-server')
    if (isRecent(await versionOf(path))) return path
  }
  const installed = await installNatsServer(CACHE, async (path) => isRecent(await versionOf(path)))
  if (installed) return installed
  throw new Error(
    `no nats-server >= ${VERSION_MIN.join('.')}: install one (brew install nats-server; or install Go, then ` +
      'go install github.com/nats-io/nats-server/v2@latest) or set NATS_SERVER_BIN to its path',
  )
}

async function versionOf(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK)
    const { stdout } = await run(path, ['--version'])
    return /^nats-server: v(\d+\.\d+\.\d+)/.exec(stdout)?.[1]
  } catch {
    return undefined
  }
}

function isRecent(version: string | undefined): boolean {
  const parts = version?.split('.').map(Number) ?? []
  for (const [index, least] of VERSION_MIN.entries()) {
    const part = parts[index] ?? -1
    if (part !== least) return part > least
  }
  return true
}

/** Starts one on a loopback port; its JetStream syncs every write. It ends with this process, however that ends. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const path = await findNatsServer()
  const folder = await mkdtemp(join(tmpdir(), 'trellis-nats-'))
  const config = join(folder, 'server.conf')
  await writeFile(
    config,
    [
      `listen: "127.0.0.1:${options.port ?? -1}"`,
      `ports_file_dir: ${JSON.stringify(folder)}`,
      // Without it a power cut loses streams whose every message was acknowledged.
      `jetstream { store_dir: ${JSON.stringify(options.storeDir ?? join(folder, 'store'))}, sync_interval: always }`,
      options.config ?? '',
    ].join('\n'),
  )
  const log: string[] = []
  const child = spawn(path, ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'], env: {} })
  child.stderr.setEncoding('utf8').on('data', (text: string) => log.push(text))
  child.once('error', (error) => log.push(error.message))
  guard(child, folder)
  try {
    const url = await readUrl(child, folder)
    const stop = async (): Promise<void> => {
      await end(child)
      await rm(folder, { recursive: true, force: true })
    }
    return { url, pid: child.pid ?? 0, stop, kill: () => void child.kill('SIGKILL'), [Symbol.asyncDispose]: stop }
  } catch (error) {
    await end(child)
    await rm(folder, { recursive: true, force: true })
    throw new Error(`${path} did not start: ${log.join('').trim().split('\n').slice(-3).join(' | ')}`, { cause: error })
  }
}

/** The server writes the port it took into a file named by its pid. */
async function readUrl(child: ChildProcess, folder: string): Promise<string> {
  const file = join(folder, `nats-server_${child.pid}.ports`)
  const deadline = performance.now() + START_MS_MAX
  while (performance.now() < deadline && child.exitCode === null && child.signalCode === null) {
    const text = await readFile(file, 'utf8').catch(() => '')
    const url = /nats:\/\/[^"]+/.exec(text)?.[0]
    if (url) return url
    await delay(POLL_MS)
  }
  throw new Error('no port')
}

/** A shell that waits until our end of a pipe closes, which even SIGKILL does, and ends the server by its pid. */
function guard(child: ChildProcess, folder: string): void {
  if (child.pid === undefined) return
  const shell = spawn('/bin/sh', ['-c', 'read -r _; kill -9 "$0"; rm -r "$1"', String(child.pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.unref()
  // The pid may be another's once the server is gone.
  child.once('exit', () => shell.kill('SIGKILL'))
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
  await ended
  clearTimeout(late)
}

if (import.meta.main) {
  const server = await startNatsServer()
  process.once('SIGTERM', () => void server.stop())
  process.once('SIGINT', () => void server.stop())
  // Last: whoever reads the URL may end it at once.
  process.stdout.write(`${server.url}\n`)
}
