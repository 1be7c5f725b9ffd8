/** Gets a nats-server where none is: built by Go, else unpacked from Debian's newer package, in one folder. */
import { execFile } from 'node:child_process'
import { chmod, copyFile, link, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The pinned release; its sums are in Go's checksum database. */
const MODULE = 'github.com/nats-io/nats-server/v2@v2.15.1'
/** Debian's suite with a recent package: it needs only libc6 >= 2.34. */
const SUITE = 'sid'
const INSTALL_MS_MAX = 20 * 60_000
const LOCK_POLL_MS = 200

/**
 * Installs one into the folder unless another process just did.
 *
 * @returns its path, or `undefined` when neither Go nor Debian's packages are to be had
 */
export async function installNatsServer(
  folder: string,
  works: (path: string) => Promise<boolean>,
): Promise<string | undefined> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, 'nats-server')
  const unlock = await lock(join(folder, 'lock'))
  try {
    if (await works(path)) return path
    for (const install of [installWithGo, installWithApt]) {
      await install(folder).catch((error: unknown) => process.stderr.write(`${install.name}: ${reasonOf(error)}\n`))
      if (await works(path)) return path
    }
    return undefined
  } finally {
    await unlock()
  }
}

async function installWithGo(folder: string): Promise<void> {
  process.stderr.write(`installing ${MODULE} with go (once)\n`)
  const env = { ...process.env, GOBIN: folder, GOFLAGS: '-trimpath', CGO_ENABLED: '0' }
  await run('go', ['install', MODULE], { env, timeout: INSTALL_MS_MAX })
}

/** A private apt state: the machine's own sources with another suite, its own keys, nothing installed. */
async function installWithApt(folder: string): Promise<void> {
  const source = await debianSource()
  if (!source) throw new Error('no Debian package source on this machine')
  process.stderr.write(`unpacking nats-server from Debian ${SUITE} (once)\n`)
  const work = await mkdtemp(join(folder, 'apt-'))
  try {
    for (const part of ['lists/partial', 'cache/archives/partial']) await mkdir(join(work, part), { recursive: true })
    await writeFile(join(work, 'sources.list'), source)
    const options = [
      `Dir::Etc::SourceList=${join(work, 'sources.list')}`,
      'Dir::Etc::SourceParts=-',
      `Dir::State::Lists=${join(work, 'lists')}`,
      `Dir::Cache=${join(work, 'cache')}`,
      'APT::Sandbox::User=root',
    ].flatMap((option) => ['-o', option])
    const how = { cwd: work, timeout: INSTALL_MS_MAX }
    await run('apt-get', [...options, 'update'], how)
    await run('apt-get', [...options, 'download', 'nats-server'], how)
    const archive = (await readdir(work)).find((name) => name.endsWith('.deb'))
    if (!archive) throw new Error('apt-get downloaded nothing')
    await run('dpkg', ['-x', archive, 'unpacked'], how)
    // Beside its place first, so that nobody ever sees half of it.
    const fresh = join(work, 'nats-server')
    await copyFile(join(work, 'unpacked', 'usr', 'sbin', 'nats-server'), fresh)
    await chmod(fresh, 0o755)
    await rename(fresh, join(folder, 'nats-server'))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** The first main Debian archive among the machine's sources, as one line for the other suite. */
async function debianSource(): Promise<string | undefined> {
  const parts = '/etc/apt/sources.list.d'
  const names = await readdir(parts).catch(() => [])
  const paths = [
    '/etc/apt/sources.list',
    ...names.toSorted((a, b) => a.localeCompare(b)).map((name) => join(parts, name)),
  ]
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch(() => '')
    const source = path.endsWith('.sources') ? fromStanzas(text) : fromLines(text)
    if (source) return `deb [${source.key ? `signed-by=${source.key}` : ''}] ${source.uri} ${SUITE} main\n`
  }
  return undefined
}

interface Source {
  readonly uri: string
  readonly key: string | undefined
}

/** An archive of Debian itself ends so; a security archive and other vendors' do not. */
function isDebian(uri: string | undefined): uri is string {
  return uri !== undefined && /\/debian\/?$/.test(uri)
}

function fromStanzas(text: string): Source | undefined {
  for (const stanza of text.split(/\n\s*\n/)) {
    const field = (name: string): string | undefined => new RegExp(`^${name}:\\s*(\\S+)`, 'im').exec(stanza)?.[1]
    const uri = field('URIs')
    if (isDebian(uri)) return { uri, key: field('Signed-By') }
  }
  return undefined
}

function fromLines(text: string): Source | undefined {
  for (const line of text.split('\n')) {
    const [, options, uri] = /^deb\s+(?:\[(.*?)\]\s+)?(\S+)\s/.exec(line) ?? []
    if (isDebian(uri)) return { uri, key: /signed-by=(\S+)/.exec(options ?? '')?.[1] }
  }
  return undefined
}

/** One installer at a time over all processes: a file that holds the pid of who has it. */
async function lock(path: string): Promise<() => Promise<void>> {
  const mine = `${path}-${process.pid}`
  await writeFile(mine, String(process.pid))
  for (;;) {
    try {
      // A link, so that the lock never exists without its pid.
      await link(mine, path)
      await rm(mine)
      return () => rm(path, { force: true })
    } catch {
      const holder = Number(await readFile(path, 'utf8').catch(() => ''))
      if (holder > 0 && !isAlive(holder)) await rm(path, { force: true })
      await delay(LOCK_POLL_MS)
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.trim().split('\n').slice(-2).join(' | ')
}
