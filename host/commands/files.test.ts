/** Every file that a command about images, evidence or releases is told to use, and cannot. */
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { EIF_BYTES_MAX, EVIDENCE_BYTES_MAX, POLICY_BYTES_MAX, PROOF_BYTES_MAX } from '#enclave/limits.ts'
import { readInput } from './files.ts'
import { makeIdleImage, trellis } from './images.fixture.ts'

let folder: string
const at = (name: string) => join(folder, name)
const NONCE = 'ab'.repeat(16)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-files-'))
  await mkdir(at('folder'))
  await mkdir(at('data'))
  await writeFile(at('data/letter'), 'dear')
  await writeFile(at('empty'), '')
  await writeFile(at('words'), 'words, and no JSON')
  await writeFile(at('list.json'), '[]')
  // Sparse: nothing is written.
  await writeFile(at('huge'), '')
  await truncate(at('huge'), EIF_BYTES_MAX + 1)
  await makeIdleImage(at('image'), [{ id: 'one' }])
  for (const name of ['one', 'two']) await trellis('release', 'key', '--out', at(`new-${name}.key`))
  const roots = { software: ['ab'.repeat(32)] }
  const policy = { kind: 'software', measurements: ['ab'.repeat(48)] }
  await writeFile(at('policy'), JSON.stringify({ format: 1, roots, policy }))
})
afterAll(() => rm(folder, { recursive: true }))

const keys = () => ['new-one', 'new-two'].flatMap((name) => ['--key', at(`${name}.key`)])
const believed = ['--release-key', 'ab'.repeat(32)]

/** The command with one file of it in the place of `file`. */
const COMMANDS: Readonly<Record<string, (file: string) => readonly string[]>> = {
  'image inspect': (file) => ['image', 'inspect', file],
  'image inspect --pins': (file) => ['image', 'inspect', file, '--pins'],
  'image verify': (file) => ['image', 'verify', file],
  'image diff': (file) => ['image', 'diff', at('image'), file],
  'image prove': (file) => ['image', 'prove', 'one', '--image', file],
  'image build --out': (file) => ['image', 'build', '--out', file],
  'image build --pins': (file) => ['image', 'build', '--out', at('new'), '--pins', file],
  'image build --components': (file) => ['image', 'build', '--out', at('new'), '--components', file],
  'image sign': (file) => ['image', 'sign', file, '--log', at('log'), '--version', '1', ...keys()],
  'image sign --log': (file) => ['release', 'revoke', 'one', '--log', file, '--reason', 'x', ...keys()],
  'image sign --key': (file) => [
    'release',
    'revoke',
    'one',
    '--log',
    at('log'),
    '--reason',
    'x',
    '--key',
    file,
    '--key',
    file,
  ],
  'image eif measure': (file) => ['image', 'eif', 'measure', file],
  'image eif build': (file) => ['image', 'eif', 'build', '--image', file, ...eif()],
  'release show': (file) => ['release', 'show', file, ...believed],
  'release key': (file) => ['release', 'key', '--out', file],
  attest: (file) => ['attest', '--image', file, '--data', at('data'), '--out', at('evidence')],
  'attest --data': (file) => ['attest', '--image', at('image'), '--data', file, '--out', at('evidence')],
  'attest --out': (file) => ['attest', '--image', at('image'), '--data', at('data'), '--out', file],
  'attest --nsm': (file) => ['attest', '--image', at('image'), '--nsm', file, '--out', at('evidence')],
  verify: (file) => ['verify', file, '--policy', at('policy'), '--nonce', NONCE],
  'verify --policy': (file) => ['verify', at('words'), '--policy', file, '--nonce', NONCE],
}
const eif = () => ['--kernel', at('words'), '--init', at('words'), '--out', at('out.eif')]

const WRONG: readonly (readonly [command: string, file: string, says: RegExp])[] = [
  ['image inspect', 'none', /image: \S+none cannot be read: it is not there/],
  ['image inspect', 'words', /words cannot be read: it is in no folder/],
  ['image inspect --pins', 'none', /none cannot be read/],
  ['image verify', 'none', /none cannot be read/],
  ['image diff', 'none', /none cannot be read/],
  ['image prove', 'none', /none cannot be read/],
  ['image build --out', 'words', /image: \S+words cannot be read/],
  ['image build --pins', 'none', /pins: \S+none is not there/],
  ['image build --pins', 'folder', /pins: \S+folder cannot be read: it is a folder/],
  ['image build --pins', 'huge', /has more than/],
  ['image build --pins', 'empty', /holds no pins: trellis image inspect --pins/],
  ['image build --pins', 'words', /holds no pins/],
  ['image build --components', 'none', /components: \S+none cannot be read/],
  ['image sign', 'none', /none cannot be read/],
  ['image sign --log', 'folder', /release log: \S+folder cannot be read: it is a folder/],
  ['image sign --log', 'huge', /has more than/],
  ['image sign --log', 'none/log', /release log: \S+log cannot be written: it is not there/],
  ['image sign --key', 'none', /is absent: trellis release key/],
  ['image eif measure', 'none', /eif: \S+none is not there/],
  ['image eif measure', 'folder', /folder cannot be read: it is a folder/],
  ['image eif measure', 'huge', /has more than 1073741824 bytes/],
  ['image eif build', 'none', /none cannot be read/],
  ['release show', 'none', /is absent: image sign begins a log/],
  ['release show', 'folder', /folder cannot be read: it is a folder/],
  ['release show', 'huge', /has more than/],
  ['attest', 'none', /none cannot be read/],
  ['attest --data', 'none', /is no data folder: trellis up --data makes one/],
  ['attest --out', 'none/evidence', /evidence cannot be written: it is not there/],
  ['attest --out', 'folder', /folder cannot be written: it is a folder/],
  ['verify', 'none', /evidence: \S+none is not there/],
  ['verify', 'folder', /folder cannot be read: it is a folder/],
  ['verify', 'huge', /has more than 40960 bytes/],
  ['verify --policy', 'none', /policy: \S+none is not there/],
  ['verify --policy', 'folder', /it is a folder/],
  ['verify --policy', 'huge', /has more than 262144 bytes/],
  ['verify --policy', 'empty', /policy: is not json: docs\/trust.md has one/],
  ['verify --policy', 'words', /policy: is not json/],
  ['verify --policy', 'list.json', /policy: /],
]

describe('what cannot be used is one line and exit 2', () => {
  test.each(WRONG)('%s %s', async (command, file, says) => {
    const { code, out, errors } = await trellis(...(COMMANDS[command]?.(at(file)) ?? []))
    // A new data folder's key is announced before anything is written.
    const said = errors.filter((line) => !line.includes('attestation: '))
    expect({ code, out, said }).toEqual({ code: 2, out: '', said: [expect.stringMatching(says)] })
    expect(said[0]).not.toContain('\n')
  })
})

/** Read and judged: the answer is no. */
const JUDGED: readonly (readonly [command: string, file: string, says: RegExp])[] = [
  ['image inspect', 'folder', /image.json is missing: build the image again/],
  ['image verify', 'folder', /image.json is missing/],
  ['image build --out', 'data', /and is no image: choose an empty folder/],
  ['image sign --log', 'words', /release-malformed/],
  ['image sign --key', 'empty', /chmod 600|0 bytes, not 32/],
  ['image sign --key', 'folder', /open to others|bytes, not 32/],
  ['image eif measure', 'empty', /eif-malformed/],
  ['image eif measure', 'words', /eif-malformed/],
  ['release show', 'words', /release-malformed/],
  ['release key', 'words', /it is there already/],
  ['release key', 'none/key', /its folder takes no new file/],
  ['attest --nsm', 'none', /nsm: \S+none: nobody listens: start the process/],
  ['attest --nsm', 'words', /nobody listens/],
  ['verify', 'empty', /evidence-malformed/],
  ['verify', 'words', /evidence-malformed/],
]

describe('what is read, and is not what it should be, is one line and exit 1', () => {
  test.each(JUDGED)('%s %s', async (command, file, says) => {
    const { code, out, errors } = await trellis(...(COMMANDS[command]?.(at(file)) ?? []))
    expect({ code, said: [...errors, out].join('') }).toEqual({ code: 1, said: expect.stringMatching(says) })
  })
})

test('a file is never replaced by mistake', async () => {
  expect(await readFile(at('words'), 'utf8')).toBe('words, and no JSON')
})

test('a file of as many bytes as it may have is read, one of one more is not', async () => {
  const sizes = [EVIDENCE_BYTES_MAX + PROOF_BYTES_MAX, POLICY_BYTES_MAX]
  for (const bytesMax of sizes) {
    await writeFile(at('full'), new Uint8Array(bytesMax).fill(7))
    expect((await readInput(at('full'), { what: 'it', bytesMax })).length).toBe(bytesMax)
    const one = readInput(at('full'), { what: 'it', bytesMax: bytesMax - 1 })
    await expect(one).rejects.toMatchObject({ code: 'input-invalid' })
  }
  // It has no size, and no end.
  await expect(readInput('/dev/zero', { what: 'it', bytesMax: 3_000_000 })).rejects.toThrow(/more than 3000000/)
})
