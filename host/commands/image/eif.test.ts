import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { decodeEif } from '#enclave/eif.ts'
import { describeRuntime } from '#enclave/runtime.ts'
import { makeIdleImage, trellis } from '../images.fixture.ts'

let folder: string
const at = (...parts: readonly string[]) => join(folder, ...parts)

function build(out: string, changes: Readonly<Record<string, string>> = {}) {
  const options = { image: 'image', kernel: 'kernel', init: 'init', runtime: 'runtime', ...changes }
  const given = Object.entries(options).flatMap(([name, file]) => [`--${name}`, at(file)])
  return trellis('image', 'eif', 'build', ...given, '--out', at(out), '--json', '--', 'up', '--hardened')
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-eif-'))
  for (const name of ['kernel', 'init', 'runtime', 'other']) await writeFile(at(name), `the ${name}`)
  const runtime = await describeRuntime(at('runtime'), { version: '26.10.0', platform: 'linux', arch: 'arm64' })
  await makeIdleImage(at('image'), [{ id: 'one' }], { runtime })
  await makeIdleImage(at('bare'), [{ id: 'one' }])
})
afterAll(() => rm(folder, { recursive: true }))

test('an image becomes a file that measures to the same each time, and holds all of it', async () => {
  const { code, out } = await build('a.eif')
  expect(code).toBe(0)
  await build('b.eif')
  const [a, b] = [await readFile(at('a.eif')), await readFile(at('b.eif'))]
  expect(a.equals(b)).toBe(true)
  const measured = await trellis('image', 'eif', 'measure', at('a.eif'), '--json')
  expect(JSON.parse(measured.out)).toEqual(JSON.parse(out))
  expect(JSON.parse(out)).toMatchObject({ architecture: 'arm64', PCR0: expect.stringMatching(/^[0-9a-f]{96}$/) })
  const { sections } = decodeEif(new Uint8Array(a))
  expect(sections.map(({ kind }) => kind)).toEqual(['kernel', 'cmdline', 'metadata', 'ramdisk', 'ramdisk'])
  const ramdisk = new TextDecoder().decode(sections.at(-1)?.data)
  for (const path of ['rootfs/trellis/image.json', 'rootfs/trellis/components/one.wasm', 'rootfs/bin/node']) {
    expect(ramdisk).toContain(path)
  }
  expect(ramdisk).toContain('/bin/node\n/trellis/boot.mjs\nup\n--hardened')
  expect(ramdisk).toContain('the runtime')
})

test('another kernel is another PCR0, another image another PCR2', async () => {
  const plain = JSON.parse((await build('c.eif')).out)
  const kernel = JSON.parse((await build('d.eif', { kernel: 'other' })).out)
  expect([kernel.PCR0 === plain.PCR0, kernel.PCR1 === plain.PCR1, kernel.PCR2 === plain.PCR2]).toEqual([
    false,
    false,
    true,
  ])
})

test.each<[string, Readonly<Record<string, string>>, RegExp]>([
  ['a runtime that the image does not list', { runtime: 'other' }, /is not the runtime that it lists/],
  ['an image without a host', { image: 'bare' }, /lists no runtime/],
])('%s is refused', async (_, changes, message) => {
  const { code, errors } = await build('none.eif', changes)
  expect([code, errors.join()]).toEqual([1, expect.stringMatching(message)])
  await expect(readFile(at('none.eif'))).rejects.toThrow('ENOENT')
})

test('what is no such file is rejected by name', async () => {
  const { code, out } = await trellis('image', 'eif', 'measure', at('kernel'))
  expect([code, out]).toEqual([1, 'rejected  eif-malformed: eif: no eif header'])
})
