/**
 * Whether a hardened host is shut in: it tries everything it must not be able to do, before a vault is opened. Node calls
 * its permission model a seat belt, not a sandbox: handlers are held by WebAssembly, these hold the host's own code.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, rmSync } from 'node:fs'
import { open as openInspector } from 'node:inspector'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'

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
  return { standing, missing: await missingOf(places) }
}

function wallsOf({ data, image, usesNetwork }: Places): readonly Wall[] {
  const outside = dirname(data)
  const walls: readonly Wall[] = [
    { name: 'files elsewhere', attempt: () => readdirSync(outside), code: DENIED },
    { name: 'files of the image', attempt: () => readdirSync(image), code: DENIED },
    { name: 'writing elsewhere', attempt: () => makeFile(join(outside, '.trellis-wall')), code: DENIED },
    { name: 'writing to the image', attempt: () => makeFile(join(image, '.trellis-wall')), code: DENIED },
    { name: 'processes', attempt: () => spawnSync(process.execPath, ['--version']), code: DENIED },
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
async function missingOf({ data, usesNetwork }: Places): Promise<readonly string[]> {
  const missing = ['threads: cells are threads, and Node takes down its walls for one that asks']
  if (usesNetwork) missing.push('the network beyond the broker: Node has no wall for one address')
  if ((await codeOf(() => openDatabase(dirname(data)))) !== DENIED) {
    missing.push('files by way of node:sqlite: Node does not ask its own permissions there')
  }
  return missing
}

const ABSENT = 'absent'

/** A property that is not there is a wall, too. */
function refuseUnless(isThere: boolean): void {
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

async function startWasi(): Promise<void> {
  const { WASI } = await import('node:wasi')
  new WASI({ version: 'preview1' })
}

/** Opens no file: a folder is no database, and being told so is having been let in. */
async function openDatabase(folder: string): Promise<void> {
  const { DatabaseSync } = await import('node:sqlite')
  new DatabaseSync(folder, { readOnly: true }).close()
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
