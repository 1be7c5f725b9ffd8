import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { buildImage, openImage, writeImage } from './image.ts'
import type { ImageManifest } from './listing.ts'

const FILES = {
  'components/echo.wasm': '\0asm echo',
  'manifests/echo.json': '{"handler":"echo"}',
  'wit/world.wit': 'package trellis:handler@0.1.0;',
}
const PATHS = Object.keys(FILES)

let root: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trellis-image-'))
  for (const [path, text] of Object.entries(FILES)) await put(path, text)
  await writeImage(root, await buildImage(root, PATHS))
})
afterEach(() => rm(root, { recursive: true }))

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
}

/** What `openImage` says: its code and the message. */
async function refusal(): Promise<string> {
  const error = await openImage(root).then(
    () => 'opened',
    (error: unknown) => error,
  )
  if (!(error instanceof Error) || !('code' in error)) return String(error)
  return `${String(error.code)}: ${error.message}`
}

async function listing(): Promise<ImageManifest> {
  return JSON.parse(await readFile(join(root, 'image.json'), 'utf8'))
}

/** Writes a listing as `writeImage` would, whatever it says. */
async function list(change: (manifest: ImageManifest) => unknown): Promise<void> {
  await writeFile(join(root, 'image.json'), `${JSON.stringify(change(await listing()), undefined, 2)}\n`)
}

test('gives the listed bytes and a digest of the listing', async () => {
  const image = await openImage(root)
  expect(new TextDecoder().decode(image.read('components/echo.wasm'))).toBe('\0asm echo')
  expect(image.files.map((file) => file.path)).toEqual(PATHS)
  const bytes = await readFile(join(root, 'image.json'))
  expect(Buffer.from(image.digest).toString('hex')).toBe(createHash('sha384').update(bytes).digest('hex'))
  expect(() => image.read('components/other.wasm')).toThrow(expect.objectContaining({ code: 'image-unlisted' }))
})

test('hands out the very buffer it hashed, whatever happens to the file', async () => {
  const image = await openImage(root)
  const before = image.read('components/echo.wasm')
  await put('components/echo.wasm', 'changed')
  expect(image.read('components/echo.wasm')).toBe(before)
  expect(new TextDecoder().decode(before)).toBe('\0asm echo')
})

test('the same files give the same listing, in any order', async () => {
  expect(await buildImage(root, PATHS.toReversed())).toEqual(await buildImage(root, PATHS))
})

test('any changed byte of any file is named', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...PATHS), fc.nat(), fc.integer({ min: 1, max: 255 }), async (path, at, xor) => {
      const whole = await readFile(join(root, path))
      const bytes = Buffer.from(whole)
      const index = at % bytes.length
      bytes[index] = (bytes[index] ?? 0) ^ xor
      await writeFile(join(root, path), bytes)
      expect(await refusal()).toMatch(`image-changed: image: ${path} has another content`)
      await writeFile(join(root, path), whole)
    }),
    { numRuns: 30 },
  )
  expect(await refusal()).toBe('opened')
})

test('a longer and a shorter file are named before they are read', async () => {
  await put('wit/world.wit', `${FILES['wit/world.wit']} `)
  expect(await refusal()).toMatch('image-changed: image: wit/world.wit has 31 bytes, more than 30')
  await truncate(join(root, 'wit/world.wit'), 3)
  expect(await refusal()).toMatch('image-changed: image: wit/world.wit has 3 bytes, listed are 30')
})

test('a missing file is named', async () => {
  await rm(join(root, 'manifests'), { recursive: true })
  expect(await refusal()).toMatch('image-missing: image: manifests/echo.json')
  await rm(join(root, 'image.json'))
  expect(await refusal()).toMatch('image-missing: image: image.json')
})

test('an unlisted file is named, wherever it lies', async () => {
  for (const path of ['extra.js', 'components/evil.wasm', 'wit/deep/more.wit', '.hidden', 'node_modules/x.js']) {
    await put(path, 'x')
    expect(await refusal()).toMatch(`image-unlisted: image: ${path}`)
    await rm(join(root, path))
  }
  await rename(join(root, 'wit/world.wit'), join(root, 'wit/World.wit'))
  expect(await refusal()).toMatch('image-unlisted: image: wit/World.wit')
})

test('a link is no file, even to the same bytes', async () => {
  await rename(join(root, 'wit/world.wit'), `${root}-outside`)
  await symlink(`${root}-outside`, join(root, 'wit/world.wit'))
  expect(await refusal()).toMatch('image-changed: image: wit/world.wit is a link')
  await expect(buildImage(root, ['wit/world.wit'])).rejects.toThrow('wit/world.wit is a link')
  await rm(join(root, 'wit/world.wit'))
  await rename(`${root}-outside`, join(root, 'wit/world.wit'))

  await rename(join(root, 'wit'), `${root}-wit`)
  await symlink(`${root}-wit`, join(root, 'wit'))
  expect(await refusal()).toMatch('image-unlisted: image: wit ')
  await rm(`${root}-wit`, { recursive: true })

  const elsewhere = join(root, 'image.json')
  await rename(elsewhere, `${root}.json`)
  await symlink(`${root}.json`, elsewhere)
  expect(await refusal()).toMatch('image-changed: image: image.json is a link')
  await rm(`${root}.json`)
})

test('a pipe is no file and nobody waits for it', async () => {
  for (const path of ['wit/world.wit', 'image.json']) {
    await rm(join(root, path))
    await promisify(execFile)('mkfifo', [join(root, path)])
    expect(await refusal()).toMatch(`image-changed: image: ${path} is`)
    await rm(join(root, path))
    await writeImage(root, await buildImage(root, PATHS.slice(0, 2)))
  }
})

test('no path leaves the image or plays games', async () => {
  const bad = ['../outside', '/etc/passwd', 'a/../b', './a', 'a//b', 'a/', 'a\\b', 'C:a', '.git/x']
  for (const path of [...bad, 'ä.wit', 'a\0b', '', 'a'.repeat(256)]) {
    await expect(buildImage(root, [path]), path).rejects.toMatchObject({ code: 'image-changed' })
    await list((manifest) => ({ ...manifest, files: [{ ...manifest.files[0], path }] }))
    expect(await refusal(), path).toMatch('image: image.json cannot say what it says at files.0.path')
    await writeImage(root, await buildImage(root, PATHS))
  }
})

test('a listing in another order, with twins or with itself is refused', async () => {
  await list((manifest) => ({ ...manifest, files: manifest.files.toReversed() }))
  expect(await refusal()).toMatch('is not listed in order')
  await writeImage(root, await buildImage(root, PATHS))
  await list(({ files: [first, ...rest], ...more }) => ({ ...more, files: [first, first, ...rest] }))
  expect(await refusal()).toMatch('components/echo.wasm is listed twice')
  await writeImage(root, await buildImage(root, PATHS))
  await list(({ files: [first, ...rest], ...more }) => {
    return { ...more, files: [{ ...first, path: first?.path.replace('echo', 'Echo') }, first, ...rest] }
  })
  expect(await refusal()).toMatch('differs from another only in case')
  await expect(buildImage(root, [...PATHS, ...PATHS])).rejects.toThrow('is listed twice')
  await expect(buildImage(root, [...PATHS, 'image.json'])).rejects.toThrow('cannot list itself')
})

test('a listing has one form only', async () => {
  const bytes = await readFile(join(root, 'image.json'), 'utf8')
  const changes = [
    JSON.stringify(JSON.parse(bytes)),
    `${bytes} `,
    bytes.replace('"format": 2', '"format": 2,\n  "format": 2'),
    bytes.replace('"format": 2', '"format": 3'),
    bytes.replace('"format": 2', '"format": 2,\n  "more": true'),
    bytes.replace('"kind": "component"', '"kind": "config"'),
    bytes.replace('"runtime": null', '"runtime": []'),
    bytes.replace('"release": 0', '"release": 0.5'),
    bytes.replace('"minimumRelease": 0', '"minimumRelease": -1'),
    bytes.replace('"releaseKeys": []', '"releaseKeys": ["00"]'),
    bytes.replace('"core": []', '"core": null'),
    bytes.replace('"version": "0.0.0"', '"version": ""'),
    bytes.replace(/"sha384": "(\w+)"/, (_, hex: string) => `"sha384": "${hex.toUpperCase()}"`),
    bytes.replace(/"size": \d+/, '"size": -1'),
    bytes.slice(1),
    '',
  ]
  for (const change of changes) {
    expect(change).not.toBe(bytes)
    await writeFile(join(root, 'image.json'), change)
    expect(await refusal(), change).toMatch(/^image-changed: image: image.json/)
  }
})

test('limits come first', async () => {
  const file = { kind: 'config', size: 0, sha384: '0'.repeat(96) }
  await list((manifest) => ({
    ...manifest,
    files: Array.from({ length: 4_097 }, (_, index) => ({ path: `f${String(index).padStart(4, '0')}`, ...file })),
  }))
  expect(await refusal()).toMatch('image-changed: image: image.json needs a list of at most 4096 at files')
  const large = { ...file, size: 200 * 2 ** 20 }
  const paths = ['a', 'b', 'c']
  await list((manifest) => ({ ...manifest, handlers: [], files: paths.map((path) => Object.assign({ path }, large)) }))
  expect(await refusal()).toMatch('lists 3 files of 629145600 bytes')
  await truncate(join(root, 'image.json'), 2 ** 20 + 1)
  expect(await refusal()).toMatch('image-changed: image: image.json has 1048577 bytes, more than 1048576')
})

test('an image of an older format is told apart from a broken one', async () => {
  const { files } = await listing()
  const old = { format: 1, files: files.map(({ path, size, sha384 }) => ({ path, size, sha384 })) }
  await list(() => old)
  expect(await refusal()).toBe(
    'image-changed: image: image.json is of format 1, and this host reads 2: build the image again',
  )
})

test('a listing says of each handler what its files say', async () => {
  const handlers = async (change: (handler: object) => object) => {
    await list(({ handlers: [handler], ...manifest }) => {
      const { files, ...head } = manifest
      return { ...head, handlers: handler === undefined ? [] : [change(handler)], files }
    })
    const said = await refusal()
    await writeImage(root, await buildImage(root, PATHS))
    return said
  }
  expect(await handlers((handler) => ({ ...handler, version: '2.0.0' }))).toMatch(
    'manifests/echo.json is not echo 2.0.0',
  )
  expect(await handlers((handler) => ({ ...handler, id: 'other' }))).toMatch('lists handler other with another')
  await list(({ files, ...head }) => ({ ...head, handlers: [], files }))
  expect(await refusal()).toMatch('components/echo.wasm is of no handler that is listed')
  await list(({ files, ...head }) => ({ ...head, files: files.filter(({ kind }) => kind !== 'manifest') }))
  expect(await refusal()).toMatch(/components\/echo.wasm|manifests\/echo.json is not listed/)
  await writeImage(root, await buildImage(root, PATHS))
  await rm(join(root, 'manifests/echo.json'))
  await expect(buildImage(root, ['components/echo.wasm'])).rejects.toMatchObject({ code: 'image-unlisted' })
})

test('release keys are sorted and told once', async () => {
  const policy = (releaseKeys: readonly string[]) => ({ policy: { releaseKeys, minimumRelease: 3 } })
  const [a, b] = ['a'.repeat(64), 'b'.repeat(64)]
  const manifest = await buildImage(root, PATHS, { release: 7, ...policy([a, b]) })
  await writeImage(root, manifest)
  expect(await openImage(root)).toMatchObject({ release: 7, ...policy([a, b]) })
  for (const keys of [[b, a], [a, a], [a.slice(1)]]) {
    await expect(buildImage(root, PATHS, policy(keys))).rejects.toMatchObject({ code: 'image-changed' })
  }
  await expect(buildImage(root, PATHS, policy(Array.from({ length: 9 }, () => a)))).rejects.toThrow('at most 8')
})
