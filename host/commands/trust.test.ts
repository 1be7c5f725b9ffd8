import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { fakeNsm, serveNsm } from '#enclave/nsm.fixture.ts'
import { AT_MS, makePki, POLICY } from '#enclave/pki.fixture.ts'
import { makeIdleImage, trellis } from './images.fixture.ts'

let folder: string

const at = (...parts: readonly string[]) => join(folder, ...parts)
const NONCE = 'ab'.repeat(16)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-trust-'))
  await mkdir(at('data'))
  await makeIdleImage(at('a'), [{ id: 'kept' }, { id: 'gone' }, { id: 'same' }])
  const more = { version: '1.1.0', needs: { clock: true } }
  await makeIdleImage(at('b'), [{ id: 'kept', code: 'other', changes: more }, { id: 'new' }, { id: 'same' }], {
    wit: 'package other;',
  })
})
afterAll(() => rm(folder, { recursive: true }))

async function policyFile(name: string, content: object): Promise<string> {
  await writeFile(at(name), JSON.stringify({ format: 1, ...content }))
  return at(name)
}

describe('trellis image', () => {
  test('inspect, verify and prove agree on what an image is', async () => {
    const inspected = await trellis('image', 'inspect', at('a'), '--json')
    const { root, handlerRoot, measurement, handlers, files } = JSON.parse(inspected.out)
    expect(handlers.map((each: { id: string }) => each.id)).toEqual(['gone', 'kept', 'same'])
    expect(files).toHaveLength(7)
    expect(measurement).toMatch(/^[0-9a-f]{96}$/)
    const text = await trellis('image', 'inspect', at('a'))
    for (const value of [root, handlerRoot, measurement]) expect(text.out).toContain(value)
    expect((await trellis('image', 'verify', at('a'))).out).toContain(`verified  7 files, root ${root}`)
    const proved = JSON.parse((await trellis('image', 'prove', 'kept', '--image', at('a'))).out)
    expect(proved).toMatchObject({
      handlerRoot,
      handler: { id: 'kept', component: handlers[1].component },
      index: 1,
      size: 3,
    })
    const unknown = await trellis('image', 'prove', 'none', '--image', at('a'))
    expect(unknown).toMatchObject({ code: 1, errors: ['trellis: image: no handler none: there are gone, kept, same'] })
  })

  test('verify names the file that was changed', async () => {
    await makeIdleImage(at('changed'), [{ id: 'kept' }])
    await writeFile(at('changed/components/kept.wasm'), 'edoc')
    const { code, errors } = await trellis('image', 'verify', at('changed'))
    expect(code).toBe(1)
    expect(errors[0]).toContain('components/kept.wasm has another content')
  })

  test('diff reads like a release note', async () => {
    const { code, out } = await trellis('image', 'diff', at('a'), at('b'))
    expect(code).toBe(1)
    expect(out.split('\n')).toEqual([
      'removed  gone 1.0.0  Answers for gone.',
      'changed  kept 1.0.0 → 1.1.0  Answers for kept.',
      '  ~ its code is another',
      '  + widened: uses clock',
      'added  new 1.0.0  Answers for new.',
      '  + widened: answers new.ask',
      'changed files: wit/world.wit',
      'may do more than before: kept, new',
      expect.stringMatching(/^measurement [0-9a-f]{96}$/),
    ])
    const { isSame, handlers } = JSON.parse((await trellis('image', 'diff', at('b'), at('a'), '--json')).out)
    expect(isSame).toBe(false)
    expect(handlers.map(({ id, state }: { id: string; state: string }) => `${state} ${id}`)).toEqual([
      'added gone',
      'changed kept',
      'removed new',
    ])
    expect(await trellis('image', 'diff', at('a'), at('a'))).toMatchObject({
      code: 0,
      out: expect.stringContaining('same'),
    })
  })

  test('build gives one root in two folders, and replaces an image', async () => {
    const build = async (name: string) => JSON.parse((await trellis('image', 'build', '--out', at(name), '--json')).out)
    const first = await build('first')
    expect(first.handlers.length).toBeGreaterThan(5)
    expect((await build('second')).root).toBe(first.root)
    await writeFile(at('second/stray.txt'), 'stray')
    expect((await build('second')).measurement).toBe(first.measurement)
  }, 600_000)

  test('build replaces no folder that is not an image', async () => {
    await mkdir(at('home'))
    await writeFile(at('home/letter.txt'), 'dear')
    const { code, errors } = await trellis('image', 'build', '--out', at('home'))
    expect(code).toBe(1)
    expect(errors[0]).toContain('holds letter.txt and is no image')
    expect(await readFile(at('home/letter.txt'), 'utf8')).toBe('dear')
  })
})

const attest = (...args: readonly string[]) => trellis('attest', '--image', at('a'), '--nonce', NONCE, ...args)
const lineOf = (out: string, name: string) => new RegExp(`^${name} +(\\w+)$`, 'm').exec(out)?.[1] ?? ''

describe('trellis attest and verify', () => {
  test('software evidence says so, and is judged by a policy', async () => {
    const made = await attest('--data', at('data'), '--out', at('evidence'))
    expect(made.code).toBe(0)
    expect(made.out).toContain('attestor     software, hardware: false')
    expect(made.errors.join()).toMatch(/made a new key.*hardware: false/)
    const [key, measurement] = [lineOf(made.out, 'key'), lineOf(made.out, 'measurement')]
    const roots = { software: [key] }
    const policy = await policyFile('policy', { roots, policy: { kind: 'software', measurements: [measurement] } })
    const judge = (file: string, ...args: readonly string[]) => trellis('verify', file, '--policy', policy, ...args)
    const accepted = await judge(at('evidence'), '--nonce', NONCE)
    expect(accepted.code).toBe(0)
    expect(accepted.out).toMatch(/accepted +software, hardware: false/)
    expect(accepted.out).toContain('not which code runs')

    const again = await attest('--data', at('data'), '--out', at('proof'), '--handler', 'kept')
    expect(lineOf(again.out, 'key')).toBe(key)
    expect(again.errors).toHaveLength(1)
    const proved = JSON.parse((await judge(at('proof'), '--json')).out)
    expect(proved).toMatchObject({ accepted: true, hardware: false, measurement, handler: { id: 'kept' } })

    const stale = await judge(at('evidence'), '--nonce', 'cd')
    expect(stale).toMatchObject({ code: 1, out: expect.stringContaining('rejected  nonce-mismatch: ') })
    const nitro = await policyFile('nitro', { roots, policy: { kind: 'nitro', measurements: [measurement] } })
    const refused = await trellis('verify', at('evidence'), '--policy', nitro, '--json')
    expect(JSON.parse(refused.out)).toMatchObject({ accepted: false, code: 'kind-refused' })
    await makeIdleImage(at('a2'), [{ id: 'kept' }, { id: 'gone' }, { id: 'same', code: 'flipped' }])
    await trellis('attest', '--image', at('a2'), '--data', at('data'), '--out', at('other'))
    expect((await judge(at('other'))).out).toContain('measurement-unknown')
  })

  test('a nitro module signs through the socket of the process that owns it', async () => {
    const pki = makePki()
    const server = await serveNsm(fakeNsm(pki), at('nsm.sock'))
    const made = await attest('--nsm', at('nsm.sock'), '--out', at('document'))
    server.close()
    expect(made).toMatchObject({ code: 0, out: expect.stringContaining('attestor     nitro, hardware: true') })
    const policy = { kind: 'nitro', registers: Object.fromEntries(POLICY.registers) }
    const file = await policyFile('aws', { roots: { nitro: pki.roots.nitro }, policy })
    const { out } = await trellis('verify', at('document'), '--policy', file)
    // The fixture's documents are of one day.
    expect(out).toMatch(Date.now() < AT_MS ? /from-the-future/ : /too-old/)
  })

  test('nothing is signed without a key that can be found again', async () => {
    expect((await attest('--out', at('none'))).errors[0]).toContain('--data <dir>')
    expect((await attest('--out', at('none'), '--data', at('missing'))).errors[0]).toContain('is no data folder')
    await mkdir(at('short'))
    await writeFile(at('short/attestor.key'), 'short', { mode: 0o600 })
    expect((await attest('--out', at('none'), '--data', at('short'))).errors.at(-1)).toContain('5 bytes, not 32')
    expect((await attest('--out', at('none'), '--nonce', 'xyz')).code).toBe(2)
  })
})
