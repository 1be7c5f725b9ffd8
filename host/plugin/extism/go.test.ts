/** A plug-in in Go: its runtime lives on the fixed WASI table. Built when the test runs, where there is Go. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { buildExtism } from '../../../scripts/extism-toolchain.ts'
import { missingGo } from '../../../scripts/toolchain-go.ts'
import { granting, jobFor, memoryNamespace } from '../fixtures/stage.ts'
import { createPool, type Pool } from '../pool.ts'
import type { Effects, Sources } from '../port.ts'
import { HandlerFailure } from '../refusal.ts'
import { buildRegistry, type Registry } from '../registry.ts'
import { entryOf, extismManifest } from './fixtures/wat.ts'

const replyOf = ({ reply }: Effects): unknown => JSON.parse(new TextDecoder().decode(reply))

const folder = fileURLToPath(new URL('./fixtures/go', import.meta.url))
const missing = await missingGo(folder)
const isThere = missing === undefined
if (!isThere) console.warn(`not run: plug-ins in Go. ${missing}`)

describe.skipIf(!isThere)('in Go', () => {
  let registry: Registry
  let pool: Pool
  beforeAll(async () => {
    const out = fileURLToPath(new URL('../../../.cache/fixtures/extism-go.wasm', import.meta.url))
    await buildExtism({ folder, out })
    const bytes = await readFile(out)
    const needs = { namespaces: { connection: 'rw' } }
    registry = buildRegistry([
      entryOf(extismManifest('plain', { needs }), bytes),
      entryOf(extismManifest('random', { needs: { ...needs, random: true } }), bytes),
    ])
    pool = await createPool({ registry, cells: 1, spares: 1 })
  })
  afterAll(() => pool?.[Symbol.asyncDispose]())

  const run = (body: unknown, sources: Partial<Sources> = {}, name = 'plain'): Promise<Effects> =>
    pool.run(jobFor(registry, name, { body, sources }))

  test('reads and writes its namespace', async () => {
    const namespace = memoryNamespace()
    namespace.set('k', 'old', 4)
    const effects = await run('store', granting(namespace))
    expect(replyOf(effects)).toEqual({ seen: 1, before: { value: 'b2xk', revision: 4 }, put: '{"ok":null}' })
    expect(effects.changes).toEqual([
      { namespace: 'connection/acme', key: 'k', value: new Uint8Array([0x67, 0x6f]), author: 'handler/plain' },
    ])
  })

  test('sees no file, no argument, no environment; its clock is the event’s; what it prints is logged', async () => {
    const effects = await run('world')
    expect(replyOf(effects)).toEqual({
      seen: 1,
      file: expect.stringMatching(/^open \/etc\/passwd: /u),
      args: 0,
      env: [],
      now: 1_800_000_000_000,
    })
    expect(effects.log).toEqual([
      { level: 'debug', message: 'printed' },
      { level: 'debug', message: 'printed too' },
    ])
  })

  test('collects garbage and runs goroutines; nothing of it is there for the next event', async () => {
    for (let at = 0; at < 5; at += 1) {
      expect(replyOf(await run('work'))).toEqual({ seen: 1, total: 5_000_000 })
    }
  })

  test('random bytes come to a plug-in that needs them, and to no other', async () => {
    const draw = async () => replyOf(await run('random', {}, 'random'))
    expect(await draw()).not.toEqual(await draw())
    await expect(run('random')).rejects.toThrow(expect.objectContaining({ code: 'handler-trapped' }))
  })

  test.each([
    ['hoard', 'handler-memory'],
    ['panic', 'handler-trapped'],
    ['sleep', 'handler-deadline'],
  ])('%s ends as %s; the next event starts afresh', async (what, code) => {
    const bad = run(what)
    await expect(bad).rejects.toBeInstanceOf(HandlerFailure)
    await expect(bad).rejects.toThrow(expect.objectContaining({ code }))
    expect(replyOf(await run('none'))).toEqual({ seen: 1 })
  })

  test('what it said before it failed is in the log', async () => {
    const failure = await run('panic').catch((error: unknown) => error)
    expect(failure).toMatchObject({ log: expect.arrayContaining([{ level: 'debug', message: 'panic: on purpose' }]) })
  })

  test('its own error is a refusal', async () => {
    await expect(run(1)).rejects.toMatchObject({
      code: 'handler-refused',
      answer: { code: 'plugin-error', message: expect.stringContaining('cannot unmarshal number'), retry: false },
    })
  })
})
