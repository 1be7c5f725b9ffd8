/** The first code of an image, as a process: what runs is what was hashed, or nothing. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { bundle } from '../scripts/bundle-host.ts'
import { nativeEvidence } from '#host/crypto/p384.ts'
import { fakeNsm, serveNsm } from './nsm.fixture.ts'
import { measuresOf } from './attestor.ts'
import { bootImage } from './boot.ts'
import { openNitroAttestor } from './nsm.ts'
import { makePki } from './pki.fixture.ts'
import { decodeEvidence } from './verify.ts'
import { buildImage, type ImageParts, writeImage } from './image.ts'
import { measureImage } from './measure.ts'
import { extendedOnce } from './measurement.ts'
import { openRegisters } from './registers.ts'
import { describeRuntime } from './runtime.ts'

/** Tries everything that must not work, then says what it is. */
const HOST = `
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
const refusals = []
const refused = (what) =>
  import(what).then(() => refusals.push('RAN ' + what), (error) => refusals.push(error.message))
export async function run(boot) {
  const write = (path, text) => writeFileSync(join(boot.folder, path), text)
  for (const path of ['host/other.mjs', 'host/main.mjs']) write(path, 'throw new Error("another")')
  appendFileSync(join(boot.folder, 'boot.mjs'), 'throw')
  const other = await import('./other.mjs')
  write('host/late.mjs', 'console.log("late")')
  const strangers = ['./late.mjs', 'data:text/javascript,1', '../wit/world.wit', 'zod', '/etc/hostname']
  for (const what of strangers) await refused(what)
  let extended = 'extended'
  try { boot.registers?.extend(16, new Uint8Array(48)) } catch (error) { extended = error.message }
  const [pcr16, pcr17] = [16, 17].map((index) => boot.registers?.read().get(index)?.toHex())
  console.log(JSON.stringify({ other: other.name, refusals, extended, pcr16, pcr17 }))
}
`
const FILES = {
  'host/main.mjs': HOST,
  'host/other.mjs': 'export const name = "measured"',
  'components/echo.wasm': '\0asm echo',
  'manifests/echo.json': '{"handler":"echo","version":"1.0.0"}',
  'wit/world.wit': 'package trellis:handler@0.1.0;',
}
const { version, platform, arch } = process
const NAME = { version: version.slice(1), platform, arch }

let folder: string
let root: string
let boot: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-boot-'))
  boot = await bundle('enclave/main.ts')
})
afterAll(() => rm(folder, { recursive: true }))
beforeEach(async () => {
  root = join(folder, 'image')
  await rm(root, { recursive: true, force: true })
  for (const [path, text] of Object.entries({ ...FILES, 'boot.mjs': boot })) {
    await mkdir(join(root, path, '..'), { recursive: true })
    await writeFile(join(root, path), text)
  }
  await list()
})

async function list(parts: ImageParts = {}): Promise<void> {
  await writeImage(root, await buildImage(root, [...Object.keys(FILES), 'boot.mjs'], parts))
}

async function start(...args: readonly string[]): Promise<{ code: unknown; out: string; error: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(root, 'boot.mjs'), ...args])
    return { code: 0, out: stdout, error: stderr }
  } catch (error) {
    const said = (name: string) => (error instanceof Error ? String(Reflect.get(error, name)) : '')
    return { code: Number(said('code')), out: said('stdout'), error: said('stderr') }
  }
}

test('the first code is small and reads nothing but what it measures', () => {
  expect(boot.length).toBeLessThan(64 * 1_024)
  expect(boot).not.toMatch(/^import .* from "(?!node:)/mu)
})

test('a file swapped after hashing changes nothing, and what is not listed does not run', async () => {
  const measure = measureImage(await buildImage(root, [...Object.keys(FILES), 'boot.mjs']))
  const { code, out, error } = await start()
  expect({ code, error }).toEqual({ code: 0, error: '' })
  expect(JSON.parse(out)).toEqual({
    other: 'measured',
    refusals: [
      expect.stringMatching(/late\.mjs is no module of it: it does not run/),
      expect.stringMatching(/data:text\/javascript,1 is no module of it/),
      expect.stringMatching(/world\.wit is no module of it/),
      expect.stringMatching(/is no module of it/),
      expect.stringMatching(/hostname is no module of it/),
    ],
    extended: 'register 16 is locked',
    pcr16: extendedOnce(nativeEvidence, measure.root).toHex(),
    pcr17: extendedOnce(nativeEvidence, measure.handlerRoot).toHex(),
  })
})

describe('nothing of the host runs', () => {
  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'a changed file',
      () => writeFile(join(root, 'host/other.mjs'), 'export const name = "changed!"'),
      /host\/other\.mjs has another content/,
    ],
    [
      'a changed handler',
      () => writeFile(join(root, 'components/echo.wasm'), '\0asm ECHO'),
      /components\/echo\.wasm has another/,
    ],
    [
      'a changed manifest',
      () => writeFile(join(root, 'manifests/echo.json'), '{}'),
      /manifests\/echo\.json has 2 bytes/,
    ],
    ['a missing file', () => rm(join(root, 'host/other.mjs')), /host\/other\.mjs is missing/],
    ['an added file', () => writeFile(join(root, 'host/more.mjs'), ''), /host\/more\.mjs is there but not listed/],
    ['an added handler', () => writeFile(join(root, 'components/more.wasm'), ''), /components\/more\.wasm is there/],
    ['a linked file', linkOther, /host\/other\.mjs is a link/],
    ['a linked folder', linkHost, /image: host is there but not listed/],
    ['another runtime', () => list({ runtime: { ...NAME, size: 1, sha384: 'a'.repeat(96) } }), /the runtime has size/],
    ['a host that is not listed', noHost, /host\/main\.mjs is no module of it/],
  ])('with %s', async (_what, change, says) => {
    await change()
    const { code, out, error } = await start()
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(error).toMatch(says)
    expect(error.trim().split('\n')).toHaveLength(1)
  })
})

async function linkOther(): Promise<void> {
  await rename(join(root, 'host/other.mjs'), join(folder, 'other.mjs'))
  await symlink(join(folder, 'other.mjs'), join(root, 'host/other.mjs'))
}

async function linkHost(): Promise<void> {
  await cp(join(root, 'host'), join(folder, 'host'), { recursive: true })
  await rm(join(root, 'host'), { recursive: true })
  await symlink(join(folder, 'host'), join(root, 'host'))
}

async function noHost(): Promise<void> {
  await rm(join(root, 'host/main.mjs'))
  const rest = Object.keys(FILES).filter((path) => path !== 'host/main.mjs')
  await writeImage(root, await buildImage(root, [...rest, 'boot.mjs']))
}

test('the runtime that is listed may run it', async () => {
  const runtime = await describeRuntime(process.execPath, NAME)
  await list({ runtime: { ...runtime, version: '26.0.0' } })
  expect((await start()).error).toMatch(/the runtime has version .*, listed is 26\.0\.0/)
  await list({ runtime })
  expect(await start()).toMatchObject({ code: 0 })
})

test('a security module is extended and locked before the host runs', async () => {
  const device = fakeNsm(makePki())
  const attestor = openNitroAttestor(device)
  const socket = join(folder, 'nsm.sock')
  await using server = await serveNsm(device, socket)
  expect(server.listening).toBe(true)
  const measure = measureImage(await buildImage(root, [...Object.keys(FILES), 'boot.mjs']))
  const { code, out } = await start('up', '--nsm', socket)
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ other: 'measured', extended: 'extended' })
  const { claims } = decodeEvidence(await attestor.attest({}))
  expect(claims.registers.get(16)).toEqual(extendedOnce(nativeEvidence, measure.root))
  expect(claims.registers.get(17)).toEqual(extendedOnce(nativeEvidence, measure.handlerRoot))
  await expect(attestor.extend(17, new Uint8Array(48))).rejects.toThrow()
})

test('registers that were locked before are nobody’s: nothing is booted', async () => {
  const registers = openRegisters()
  registers.lock(16)
  const options = { measures: measuresOf(registers), registers, runtime: () => describeRuntime(process.execPath, NAME) }
  await expect(bootImage(root, { ...options, monotonic: () => 0 })).rejects.toThrow('register 16 is locked')
})
