/**
 * Whether a hardened host is shut in: it tries everything it must not be able to do, before a vault is opened. Node
 * calls its permission model a seat belt, not a sandbox: WebAssembly holds the handlers, this the host's own code.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, rmSync } from 'node:fs'
import { open as openInspector } from 'node:inspector'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'

import { Refusal } from '#host/errors.ts'

interface Places {
  readonly data: string
  readonly image: string
  /** A broker or a module is reached over it. */
  readonly usesNetwork: boolean
}

interface Wall {
  readonly name: string
  /** Throws, or rejects, when the wall stands. */
  readonly attempt: () => unknown
  /** Of the error that says so. */
  readonly code: string
}

export interface Walls {
  readonly standing: readonly string[]
  /** Why, for each that Node cannot put up here. */
  readonly missing: readonly string[]
}

/** Port of the discard protocol: whether it answers or refuses, the way there was open. */
const DISCARD = 9
const DENIED = 'ERR_ACCESS_DENIED'

/** @throws Refusal `not-hardened` naming every wall that should stand and does not */
export async function tryWalls(places: Places): Promise<Walls> {
  const standing: string[] = []
  const open: string[] = []
  for (const { name, attempt, code } of wallsOf(places)) {
    const holds = (await codeOf(attempt)) === code
    ;(holds ? standing : open).push(name)
  }
  if (open.length > 0) {
    throw new Refusal('not-hardened', `up: open are ${open.join(', ')}: start it with trellis up --hardened`)
  }
  return { standing, missing: missingOf(places) }
}

function wallsOf({ data, image, usesNetwork }: Places): readonly Wall[] {
  const outside = dirname(data)
  const walls: readonly Wall[] = [
    { name: 'files elsewhere', attempt: () => readdirSync(outside), code: DENIED },
    { name: 'files of the image', attempt: () => readdirSync(image), code: DENIED },
    { name: 'writing elsewhere', attempt: () => makeFile(join(outside, '.trellis-wall')), code: DENIED },
    { name: 'writing to the image', attempt: () => makeFile(join(image, '.trellis-wall')), code: DENIED },
    { name: 'processes', attempt: () => spawnSync(process.execPath, ['--version']), code: DENIED },
    { name: 'threads', attempt: () => readInThread(outside), code: DENIED },
    { name: 'node:sqlite', attempt: () => refuseUnless(process.getBuiltinModule('node:sqlite')), code: ABSENT },
    {
      name: 'addons',
      attempt: () => process.dlopen({ exports: {} }, join(data, 'none.node')),
      code: 'ERR_DLOPEN_DISABLED',
    },
    { name: 'WASI', attempt: startWasi, code: DENIED },
    { name: 'the inspector', attempt: () => openInspector(0)[Symbol.dispose](), code: DENIED },
    { name: 'code from text', attempt: () => Reflect.construct(Function, ['']), code: 'EvalError' },
    { name: '__proto__', attempt: () => refuseUnless('__proto__' in {}), code: ABSENT },
    { name: 'changing what is built in', attempt: () => refuseUnless(!Object.isFrozen(Array.prototype)), code: ABSENT },
  ]
  return usesNetwork ? walls : [...walls, { name: 'the network', attempt: connectSomewhere, code: DENIED }]
}

/** What stands nowhere, and is said. */
function missingOf({ usesNetwork }: Places): readonly string[] {
  const missing = [
    'one thread: Node makes no write durable behind its walls, so that one is outside and does nothing else',
    'signals: Node asks nobody before it sends one to a process of the same user',
  ]
  if (usesNetwork) missing.push('the network beyond the broker: Node has no wall for one address')
  return missing
}

const ABSENT = 'absent'

/** A property that is not there is a wall, too. */
function refuseUnless(isThere: unknown): void {
  if (!isThere) throw Object.assign(new Error(ABSENT), { code: ABSENT })
}

async function codeOf(attempt: () => unknown): Promise<string | undefined> {
  try {
    await attempt()
    return undefined
  } catch (error) {
    if (!(error instanceof Error)) return undefined
    return 'code' in error ? String(error.code) : error.name
  }
}

function makeFile(path: string): void {
  closeSync(openSync(path, 'wx'))
  rmSync(path)
}

async function startWasi(): Promise<unknown> {
  const { WASI } = await import('node:wasi')
  return new WASI({ version: 'preview1' })
}

/** The way around: a thread with arguments of its own. */
function readInThread(folder: string): Promise<void> {
  const code = `import { readdirSync } from 'node:fs'; readdirSync(${JSON.stringify(folder)})`
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { execArgv: [] })
  return new Promise((resolve, reject) => {
    thread.once('error', reject)
    thread.once('exit', () => resolve())
  })
}

function connectSomewhere(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: DISCARD })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
  })
}
