/** A page in a headless Chromium of this machine: served from loopback, with a new profile, and ended by its pid. */
import { spawn } from 'node:child_process'
import { access, constants, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { rolldown } from 'rolldown'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const PLACES = ['/usr/bin', '/usr/local/bin', '/snap/bin', '/opt/google/chrome', join(homedir(), '.local', 'bin')]
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
/** A loaded machine of two cores takes some seconds to start it, and Argon2id with 64 MiB some more. */
const REPORT_MS_MAX = 150_000
const REPORT_BYTES_MAX = 1024 * 1024
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** How to get one, where there is none. */
export const NO_CHROMIUM = 'no chromium here: apt-get install chromium, or name one with CHROMIUM_BIN'

/** `CHROMIUM_BIN`, then PATH and the usual places. @throws Error when CHROMIUM_BIN names no program */
export async function findChromium(): Promise<string | undefined> {
  const named = process.env['CHROMIUM_BIN']
  if (named) {
    if (await isProgram(named)) return named
    throw new Error(`CHROMIUM_BIN is ${named}, which is no program`)
  }
  const folders = [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ...PLACES]
  for (const path of [...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))), MAC]) {
    if (await isProgram(path)) return path
  }
  return undefined
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

/** A module for a browser, as text. `entry` is relative to the repository. @throws Error when it needs Node */
export async function bundlePage(entry: string): Promise<string> {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const build = await rolldown({
    input: join(root, entry),
    cwd: root,
    platform: 'browser',
    tsconfig: false,
    resolve: { symlinks: false },
    experimental: { attachDebugInfo: 'none' },
    // What it warns of, an import that is left, is an error below.
    logLevel: 'silent',
  })
  try {
    const { output } = await build.generate({ format: 'esm', codeSplitting: false, comments: false })
    const [{ code, imports }, ...others] = output
    if (others.length > 0 || imports.length > 0) throw new Error(`${entry} still imports ${imports.join(', ')}`)
    return code
  } finally {
    await build.close()
  }
}

export interface PageOptions {
  /** The program. */
  readonly chromium: string
  /** An ES module that exports `run(text)`, which gives what is to be reported. */
  readonly code: string
  readonly input: string
  /** What the page may ask of this process, each as `POST /call/<name>`: text in, text out. */
  readonly calls?: Readonly<Record<string, (text: string) => Promise<string>>>
}

/** Opens the page and gives what `run` reported. @throws Error when it reports nothing in time */
export async function runPage({ chromium, code, input, calls = {} }: PageOptions): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const files: Readonly<Record<string, readonly [type: string, body: string]>> = {
    '/': ['text/html', PAGE],
    '/page.js': ['text/javascript', code],
    '/input.json': ['application/json', input],
  }
  const server = createServer((request, response) => {
    const call = calls[request.url?.replace('/call/', '') ?? '']
    if (call) {
      bodyOf(request)
        .then(call)
        .then((text) => response.end(text), reject)
      return
    }
    if (request.method === 'POST') {
      response.end()
      bodyOf(request).then(resolve, reject)
      return
    }
    const [type, body] = files[request.url ?? ''] ?? []
    if (body === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body)
  })
  const profile = await mkdtemp(join(tmpdir(), 'trellis-chromium-'))
  try {
    const url = await listening(server)
    using _browser = started(chromium, [...FLAGS, `--user-data-dir=${profile}`, url], { home: profile, reject })
    return JSON.parse(await promise)
  } finally {
    server.closeAllConnections()
    server.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}

/** What it reports stands in the page as well, for whoever opens it by hand. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>trellis</title><pre></pre><script type="module">
const report = async () => {
  try {
    const { run } = await import('/page.js')
    return await run(await (await fetch('/input.json')).text())
  } catch (error) {
    return { failed: String(error && error.stack || error) }
  }
}
const text = JSON.stringify(await report(), null, 1)
document.querySelector('pre').textContent = text
await fetch('/report', { method: 'POST', body: text })
</script>`

function started(
  program: string,
  flags: readonly string[],
  { home, reject }: { readonly home: string; readonly reject: (reason: Error) => void },
): Disposable {
  const env = { PATH: process.env['PATH'] ?? '', HOME: home }
  // A group of its own, so that all its processes end with it.
  const child = spawn(program, flags, { env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)))
  const fail = (how: string) => reject(new Error(`chromium ${how}: ${said}`))
  child.once('error', (error) => fail(error.message))
  child.once('exit', (code) => fail(`ended with ${code}`))
  const timer = setTimeout(() => fail(`reported nothing in ${REPORT_MS_MAX} ms`), REPORT_MS_MAX)
  return {
    [Symbol.dispose]() {
      clearTimeout(timer)
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
    },
  }
}

async function listening(server: Server): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen(0, '127.0.0.1', resolve)
  await promise
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a server on loopback has a port')
  return `http://127.0.0.1:${address.port}/`
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request) {
    const bytes = chunk as Uint8Array
    size += bytes.length
    if (size > REPORT_BYTES_MAX) throw new Error(`a report over ${REPORT_BYTES_MAX} bytes`)
    chunks.push(bytes)
  }
  return new TextDecoder().decode(Buffer.concat(chunks))
}
