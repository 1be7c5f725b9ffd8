/** What a proof costs is the event's that asks for it: no neighbour waits, and none asks for many. */
import { Worker } from 'node:worker_threads'

import { afterAll, beforeAll, expect, test, vi } from 'vitest'

import { HANDLER_DEADLINE_MS_MAX, PROOFS_PER_EVENT_MAX } from '#host/limits.ts'

import { granting, jobFor, manifestOf, memoryNamespace, registryOf } from './fixtures/stage.ts'
import type { Job } from './job.ts'
import { createPool, type Pool } from './pool.ts'
import type { GrantedCredential, Sources } from './port.ts'

const patient = { deadlineMs: HANDLER_DEADLINE_MS_MAX }
const registry = registryOf(manifestOf('proves', patient), manifestOf('notes', patient))
let pool: Pool
beforeAll(async () => {
  pool = await createPool({ registry, cells: 2, spares: 0 })
})
afterAll(() => pool[Symbol.asyncDispose]())

function granted(prove: GrantedCredential['prove']): Partial<Sources> {
  const metadata = { alias: 'car', kind: 'k', issuer: 'i', label: 'l', claims: ['over_21'], expires: null }
  return { credentials: new Map([['car', { metadata, prove }]]) }
}
const proving = (times: number, prove: GrantedCredential['prove'], from = registry): Job =>
  jobFor(from, 'proves', { body: { claims: ['over_21'], times }, sources: granted(prove) })
const run = (times: number, prove: GrantedCredential['prove']): Promise<string> =>
  pool.run(proving(times, prove)).then(({ reply }) => new TextDecoder().decode(reply))
const proof = new TextEncoder().encode('shown')
const note = (): Promise<unknown> =>
  pool.run(jobFor(registry, 'notes', { body: 1, sources: granting(memoryNamespace()), tenant: 'bob' }))

test('a proof comes later, and everybody else goes on meanwhile', async () => {
  const asked = Promise.withResolvers<void>()
  const made = Promise.withResolvers<Uint8Array>()
  const later = run(1, () => {
    asked.resolve()
    return made.promise
  })
  await asked.promise
  await note()
  made.resolve(proof)
  expect(await later).toBe('"shown"')
})

test('an event may ask for a few proofs, and ends with one more', async () => {
  let made = 0
  const prove = (): Promise<Uint8Array> => {
    made += 1
    return Promise.resolve(proof)
  }
  expect(await run(PROOFS_PER_EVENT_MAX, prove)).toBe('"shown"')
  made = 0
  await expect(run(PROOFS_PER_EVENT_MAX + 1, prove)).rejects.toMatchObject({
    code: 'handler-calls',
    message: expect.stringContaining('proved too much'),
  })
  expect(made).toBe(PROOFS_PER_EVENT_MAX)
})

test('what is not granted costs a proof all the same, and is unavailable', async () => {
  await expect(run(1, () => undefined)).rejects.toMatchObject({ code: 'handler-trapped' })
  await expect(run(PROOFS_PER_EVENT_MAX + 1, () => undefined)).rejects.toMatchObject({ code: 'handler-trapped' })
})

test('a deadline does not wait for a proof, and one that comes too late is dropped', async () => {
  const hasty = registryOf(manifestOf('proves', { deadlineMs: 500 }), manifestOf('notes', patient))
  await using pool = await createPool({ registry: hasty, cells: 1, spares: 0 })
  const made = Promise.withResolvers<Uint8Array>()
  await expect(pool.run(proving(1, () => made.promise, hasty))).rejects.toMatchObject({ code: 'handler-deadline' })
  made.resolve(proof)
  await made.promise
  const after = await pool.run(jobFor(hasty, 'notes', { body: 1, sources: granting(memoryNamespace()) }))
  expect(after.hostCalls).toBe(3)
})

test('a proof that fails ends its event alone', async () => {
  const failure = new Error('the thread ended')
  await expect(run(1, () => Promise.reject(failure))).rejects.toBe(failure)
  expect(await run(1, () => Promise.resolve(proof))).toBe('"shown"')
})

test('a cell that asks again while it is being answered is ended', async () => {
  const post = vi.spyOn(Worker.prototype, 'postMessage')
  const asked = Promise.withResolvers<void>()
  const never = run(1, () => {
    asked.resolve()
    return new Promise(() => undefined)
  })
  const [cell] = post.mock.contexts
  await asked.promise
  if (!(cell instanceof Worker)) throw new Error('no cell')
  // The first may be the late word of what was read before it came.
  cell.emit('message', 0)
  cell.emit('message', 0)
  await expect(never).rejects.toMatchObject({
    code: 'handler-lied',
    message: expect.stringContaining('being answered'),
  })
  post.mockRestore()
})
