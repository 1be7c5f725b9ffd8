import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { parseManifest } from '#host/plugin/manifest.ts'
import { type Case, parseCases } from './cases.ts'
import { fieldsOf, termsOf } from './dev-contract.ts'
import { readTyped } from './dev-round.ts'
import { type Asked, type Loaded, openDevVault } from './dev-vault.ts'

const root = new URL('../../../', import.meta.url)
const fileOf = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, root)))

/** A handler of the tests, with cases. */
function fixture(name: string, cases: readonly unknown[] = []): Loaded {
  const manifest = fileOf(`host/plugin/fixtures/${name}/manifest.json`)
  const parsed = cases.length === 0 ? [] : parseCases(JSON.stringify({ cases }), 'c.json')
  const files = { name, manifest, component: fileOf(`.cache/fixtures/${name}.wasm`) }
  return { manifest: parseManifest(manifest, 'm.json'), files, cases: parsed }
}

const greets: readonly Case[] = parseCases(
  JSON.stringify({
    cases: [
      {
        name: 'one',
        event: 'x.y',
        request: { f: ['name'] },
        given: { fields: { name: 'A' } },
        expect: { accepted: true },
      },
      {
        name: 'two',
        event: 'x.y',
        request: { f: ['age'] },
        given: { fields: { name: 'B', city: 'C' } },
        expect: { accepted: true },
      },
      { name: 'three', event: 'un.known', request: { f: ['not'] }, expect: { accepted: true } },
    ],
  }),
  'c.json',
)

test('the contract asks for what manifest and cases speak of', () => {
  const { manifest } = fixture('asks')
  const [event] = manifest.events
  if (event === undefined) throw new Error('no event')
  const events = [{ ...event, type: 'x.y', fields: '/f' }]
  const needs = { ...manifest.needs, namespaces: { connection: 'rw' } } as const
  const { fields, permissions } = termsOf({ ...manifest, events, needs }, greets)
  expect(fields.map(({ name, tier }) => [name, tier])).toEqual([
    ['age', 'on-demand'],
    ['city', 'on-demand'],
    ['name', 'on-demand'],
  ])
  expect(permissions).toMatchObject({ events: ['x.y'], store: { bytesMax: expect.any(Number) } })
  expect(termsOf({ ...manifest, events, needs: { ...needs, namespaces: {} } }, greets).permissions.store).toBeNull()
  expect([...fieldsOf(greets)]).toEqual(
    expect.arrayContaining([
      ['name', 'A'],
      ['city', 'C'],
    ]),
  )
})

test('what is typed is a case, or an event and JSON, or a file of it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trellis-typed-'))
  try {
    const file = join(folder, 'body.json')
    await writeFile(file, '{"from":"a file"}')
    expect(await readTyped('2', greets)).toMatchObject({ name: 'two' })
    expect(await readTyped('three', greets)).toMatchObject({ event: 'un.known' })
    expect(await readTyped('x.y {"f":[]}', greets)).toEqual({ event: 'x.y', name: 'x.y', request: { f: [] } })
    expect(await readTyped('x.y', greets)).toMatchObject({ request: {} })
    expect(await readTyped(`x.y ${file}`, greets)).toMatchObject({ request: { from: 'a file' } })
    for (const wrong of ['4', 'four', 'x.y {', '{}']) {
      await expect(readTyped(wrong, greets)).rejects.toMatchObject({ code: 'cases-invalid' })
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})

function told({ answer }: Asked): unknown {
  return answer?.status === 'replied' ? JSON.parse(new TextDecoder().decode(answer.body)) : answer
}

test('in the live vault the owner says yes, and another handler takes the place of one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trellis-dev-test-'))
  try {
    const asked: unknown[] = []
    await using vault = await openDevVault(folder, fixture('asks'), ({ text }, choice) => asked.push([text, choice]))
    const first = await vault.ask('asks.run', { text: 'Pay?', choices: ['card', 'cash'] })
    expect(told(first)).toEqual({ answer: { tag: 'chosen', val: 'card' }, asked: false })
    expect(asked).toEqual([['Pay?', 'card']])
    expect(first.traces.map(({ subject }) => subject.split('.').slice(-2).join('.'))).toContain('asks.run')

    await vault.load(fixture('counts'))
    expect(told(await vault.ask('counts.run', {}))).toBe(1)
    await vault.load(fixture('counts'))
    expect(told(await vault.ask('counts.run', {}))).toBe(2)
    expect(await vault.ask('asks.run', {})).toMatchObject({ answer: { status: 'refused', code: 'unsupported-event' } })
  } finally {
    await rm(folder, { recursive: true })
  }
})
