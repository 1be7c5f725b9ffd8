/** The ways out of Node's permission model by a thread, each tried before and after they are shut. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { type BbsSigned, generateBbs, signBbs } from '#host/crypto/bbs.ts'
import type { ProverTask } from '#host/crypto/bbs-worker.ts'
import type { ViewTask } from '#host/storage/view-worker.ts'
import { bundle } from '../../scripts/bundle-host.ts'

let folder: string

/** Says what each way led to: the code of what was thrown, or what was read. */
const WAYS = `
import { createRequire, register } from 'node:module'
import { Worker } from 'node:worker_threads'
import { shutThreads } from './threads.mjs'
const early = new Worker(new URL('data:text/javascript,setInterval(() => {}, 1000)'), { execArgv: [] })
const text = (code) => new URL('data:text/javascript,' + encodeURIComponent(code))
const READ = 'import { parentPort } from "node:worker_threads"; import { readdirSync } from "node:fs"; ' +
  'let said; try { said = readdirSync(' + JSON.stringify(import.meta.dirname + '/secret') + ').join() } ' +
  'catch (error) { said = error.code } parentPort.postMessage(said)'
const NESTED = 'import { parentPort, Worker } from "node:worker_threads"; ' +
  'try { new Worker(new URL("data:text/javascript,0"), { execArgv: [] }); parentPort.postMessage("started") } ' +
  'catch (error) { parentPort.postMessage(error.code) }'
const SQLITE = 'import { parentPort } from "node:worker_threads"; ' +
  'parentPort.postMessage(process.getBuiltinModule("node:sqlite") ? "there" : "absent")'
const started = (Thread, code, options) => new Promise((resolve, reject) => {
  const thread = new Thread(code, options)
  thread.once('message', (said) => { resolve(said); void thread.terminate() })
  thread.once('error', (error) => resolve(error.code))
})
const ways = {
  'no arguments': () => started(Worker, text(READ), { execArgv: [] }),
  'arguments that allow': () => started(Worker, text(READ), { execArgv: ['--permission', '--allow-fs-read=*'] }),
  'an environment that allows': () =>
    started(Worker, text(READ), { env: { NODE_OPTIONS: '--allow-fs-read=*' }, execArgv: ['--permission'] }),
  'a thread of a thread': () => started(Worker, text(NESTED), {}),
  'its database': () => started(Worker, text(SQLITE), { execArgv: ['--permission'] }),
  'the class of another thread': () => started(early.constructor, text(READ), { execArgv: [] }),
  'a class on top of it': () => started(class extends Worker {}, text(READ), { execArgv: [] }),
  'require': () => started(createRequire(import.meta.url)('worker_threads').Worker, text(READ), { execArgv: [] }),
  'getBuiltinModule': () => started(process.getBuiltinModule('worker_threads').Worker, text(READ), { execArgv: [] }),
  'loader hooks': async () => register(text('import { Worker } from "node:worker_threads"')) ?? 'registered',
}
const tell = async () => {
  const said = {}
  for (const [name, way] of Object.entries(ways)) {
    said[name] = await Promise.resolve().then(way).catch((error) => error.code)
  }
  return said
}
const before = await tell()
shutThreads()
const after = await tell()
console.log(JSON.stringify({ before, after }))
process.exit()
`

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-threads-'))
  await mkdir(join(folder, 'secret'))
  await writeFile(join(folder, 'secret', 'letter'), '')
  await writeFile(join(folder, 'threads.mjs'), await bundle('host/commands/threads.ts'))
  await writeFile(join(folder, 'ways.mjs'), WAYS)
})
afterAll(() => rm(folder, { recursive: true }))

test('every way out that Node leaves open is shut, and stays so', async () => {
  const reads = ['ways.mjs', 'threads.mjs'].map((name) => `--allow-fs-read=${join(folder, name)}`)
  const flags = ['--permission', '--allow-worker', '--no-experimental-sqlite', '--no-warnings', ...reads]
  const child = spawn(process.execPath, [...flags, join(folder, 'ways.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const out = (await child.stdout.setEncoding('utf8').toArray()).join('')
  if (child.exitCode === null) await once(child, 'exit')
  const { before, after } = JSON.parse(out)
  const denied = 'ERR_ACCESS_DENIED'
  const read = ['no arguments', 'arguments that allow', 'the class of another thread', 'a class on top of it']
  expect(before).toMatchObject({
    ...Object.fromEntries([...read, 'require', 'getBuiltinModule'].map((way) => [way, 'letter'])),
    'a thread of a thread': 'started',
    'its database': 'there',
    'loader hooks': 'registered',
  })
  expect(after).toEqual({
    ...Object.fromEntries(Object.keys(before).map((way) => [way, denied])),
    'its database': 'absent',
    'loader hooks': 'not-hardened',
  })
})

/** A thread of an image, as a hardened host starts it. */
async function inside(entry: string): Promise<Worker> {
  const code = new URL(`data:text/javascript;base64,${Buffer.from(await bundle(entry)).toString('base64')}`)
  const execArgv = ['--permission', '--no-experimental-sqlite', '--no-addons']
  return new Worker(code, { env: {}, argv: [], execArgv })
}

describe('what an image’s own threads do, they do inside', () => {
  test('searches', async () => {
    const thread = await inside('host/storage/view-worker.ts')
    for (const kind of ['begin', 'end'] as const) thread.postMessage({ kind } satisfies ViewTask)
    thread.postMessage({ kind: 'ask', task: 7, sql: 'SELECT 3', values: [] } satisfies ViewTask)
    expect(await once(thread, 'message')).toEqual([{ task: 7, rows: [[3]] }])
    await thread.terminate()
  })

  test('proofs', async () => {
    const thread = await inside('host/crypto/bbs-worker.ts')
    const key = generateBbs(new Uint8Array(32).fill(1), new Uint8Array())
    const said = { header: Uint8Array.of(1), messages: [Uint8Array.of(2)] }
    const signed: BbsSigned = { publicKey: key.publicKey, ...said, signature: signBbs(key, said) }
    thread.postMessage({ task: 7, what: { kind: 'verify', signed } } satisfies ProverTask)
    expect(await once(thread, 'message')).toEqual([{ task: 7, result: true }])
    await thread.terminate()
  })
})
