import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import { expect, test } from 'vitest'

import { startWorker } from './cell-start.ts'
import { newChannel } from './channel.ts'

const code = fileURLToPath(new URL('self-test.ts', import.meta.url))

/** Runs the self-test in a thread of its own, as a cell would, and gives what it found open. */
function doorsIn(options: { execArgv: string[]; env: Record<string, string>; drop?: boolean }): Promise<unknown> {
  const { execArgv, env, drop = false } = options
  const source = `
    const { parentPort } = require('node:worker_threads')
    import(${JSON.stringify(new URL('self-test.ts', import.meta.url).href)}).then(async ({ openDoors }) => {
      if (${drop}) process.permission.drop('fs.read')
      parentPort.postMessage(await openDoors(${JSON.stringify(code)}))
    })`
  const worker = new Worker(source, { eval: true, execArgv, env })
  return new Promise((resolve, reject) => {
    worker.once('message', (doors) => {
      resolve(doors)
      void worker.terminate()
    })
    worker.once('error', reject)
  })
}

const shut = ['--permission', `--allow-fs-read=${code}`]

test('a thread with permissions, no environment and its reading dropped has no open door', async () => {
  expect(await doorsIn({ execArgv: shut, env: {}, drop: true })).toEqual([])
})

test('a thread without permissions is seen to be open everywhere', async () => {
  const doors = await doorsIn({ execArgv: [], env: { HOME: '/' } })
  expect(doors).toEqual([
    'reading a file elsewhere',
    'reading its own code',
    'writing to its own code',
    'starting a process',
    'starting a thread',
    'connecting to a port',
    'seeing the environment',
  ])
})

test.each([
  ['reading', shut, 'reading its own code'],
  ['writing', [...shut, `--allow-fs-write=${code}`], 'writing to its own code'],
  ['processes', [...shut, '--allow-child-process'], 'starting a process'],
  ['threads', [...shut, '--allow-worker'], 'starting a thread'],
  ['the network', [...shut, '--allow-net'], 'connecting to a port'],
])('one door left open is named: %s', async (_name, execArgv, door) => {
  expect(await doorsIn({ execArgv, env: {} })).toContain(door)
})

test('a cell passes it', async () => {
  const worker = startWorker({ channel: newChannel(), handlers: [] })
  const first = await new Promise((resolve) => worker.once('message', resolve))
  await worker.terminate()
  expect(first).toEqual({ kind: 'ready' })
})
