import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { openFolder } from '#host/commands/open.ts'
import { trellis } from '#host/commands/run.fixture.ts'
import { importVault } from '#host/commands/vault/import.ts'
import { openAge, sealAge } from '#host/crypto/age-file.ts'
import { openProver } from '#host/crypto/bbs-thread.ts'
import { Refusal } from '#host/errors.ts'
import { connectService } from '#host/service.fixture.ts'
import { fileBlobs } from '#host/storage/file-blobs.ts'
import { openLog } from '#host/storage/group.ts'
import { BACKUP_FILE_BYTES_MAX } from '#host/storage/limits.ts'
import { memoryLog } from '#host/storage/memory-log.fixture.ts'
import { memorySealer } from '#host/storage/sealer.ts'
import { dump, makeVault } from '#host/storage/vault-store.fixture.ts'
import { random, startWorld } from '#host/world.fixture.ts'
import { joinBytes } from '#host/wire/bytes.ts'
import { decodeBackup, encodeBackup } from './backup.ts'
import { openVaults } from './vaults.ts'

let folder: string
let plain: Uint8Array
let state: unknown

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-backup-'))
  await using world = await startWorld({ handlers: ['counts'] })
  const acme = await connectService(world, 'Acme')
  await acme.ask('counts.run')
  await acme.ask('counts.run')
  // What is kept of a pruned trail hangs on its signed base.
  world.clock.now += 1
  await world.alice.pruneAudit(world.now())
  await world.kill()
  await using opened = await openFolder(world.folder, { create: false })
  const vault = await opened.vaults.find('alice')
  if (!vault) throw new Error('no vault')
  plain = encodeBackup(vault.store)
  state = dump(vault.store)
  expect(encodeBackup(vault.store)).toEqual(plain)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('a vault restored elsewhere', () => {
  test('holds the same, its trail verifies, and a connection goes on with it', async () => {
    await using world = await startWorld({ handlers: ['counts'] })
    const acme = await connectService(world, 'Acme')
    expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
    await world.kill()
    let bytes: Uint8Array
    let before: unknown
    {
      await using opened = await openFolder(world.folder, { create: false })
      const vault = await opened.vaults.find('alice')
      if (!vault) throw new Error('no vault')
      bytes = encodeBackup(vault.store)
      before = dump(vault.store)
    }
    for (const name of await readdir(world.folder)) await rm(join(world.folder, name), { recursive: true })
    {
      await using opened = await openFolder(world.folder, { create: true })
      const vault = await opened.vaults.restore(decodeBackup(bytes), world.now())
      expect(dump(vault.store)).toEqual(before)
      expect(encodeBackup(vault.store).subarray(100)).toEqual(bytes.subarray(100))
      await expect(opened.vaults.restore(decodeBackup(bytes), 0)).rejects.toMatchObject({ code: 'conflict' })
    }
    {
      await using opened = await openFolder(world.folder, { create: false })
      const vault = await opened.vaults.find('alice')
      expect(vault && dump(vault.store)).toEqual(before)
    }
    await world.start()
    expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 2 })
    // To a device that remembers more than the backup holds, it is an older copy: whoever restored it pairs anew.
    await expect(world.alice.putField('email', 'moved@example.org')).rejects.toMatchObject({ code: 'journal-behind' })
    await (await world.pair('phone')).putField('email', 'moved@example.org')
    expect((await world.rows()).length).toBeGreaterThan(3)
  })

  test('is restored again from the start when the process ended half way', async () => {
    const backup = decodeBackup(plain)
    const log = await openLog(memoryLog())
    const at = await mkdtemp(join(folder, 'half-'))
    const sealer = memorySealer(random)
    const snapshots = await fileBlobs(join(at, 'snapshots'))
    const open = () => openVaults({ log, sealer, snapshots, folder: at, random, prover: openProver() })
    await using broken = await open()
    const torn = { ...backup, changes: backup.changes.filter(({ key }) => key !== 'identity/prekey') }
    await expect(broken.restore(torn, 0)).rejects.toMatchObject({ code: 'vault-unknown' })
    expect(await broken.names()).toEqual([])
    expect(await broken.find('alice')).toBeUndefined()
    const extra = { namespace: 'personal', key: 'field/left', value: new Uint8Array(1) } as const
    await expect(broken.restore({ ...torn, changes: [...torn.changes, extra] }, 0)).rejects.toThrow()
    expect(dump((await broken.restore(backup, 0)).store)).toEqual(state)
    expect(await broken.names()).toEqual(['alice'])
  })
})

describe('a backup', () => {
  test.each([
    [
      'a passphrase',
      { passphrase: 'correct horse', costLog2: 10 },
      { passphrase: 'correct horse' },
      { passphrase: 'x' },
    ],
  ])('opens with %s and no other', async (_name, lock, key, other) => {
    const file = await sealAge(plain, lock)
    expect(await openAge(file, key)).toEqual(plain)
    await expect(openAge(file, other)).rejects.toMatchObject({ code: 'backup-invalid' })
  })

  test('opens with its recipient’s identity and no other; what is no key is refused', async () => {
    const identity = await generateX25519Identity()
    const file = await sealAge(plain, { recipient: await identityToRecipient(identity) })
    expect(await openAge(file, { identity })).toEqual(plain)
    const other = await generateX25519Identity()
    await expect(openAge(file, { identity: other })).rejects.toMatchObject({ code: 'backup-invalid' })
    await expect(sealAge(plain, { recipient: 'age1nobody' })).rejects.toMatchObject({ code: 'backup-invalid' })
    await expect(openAge(file, { identity: 'AGE-NOTHING' })).rejects.toMatchObject({ code: 'backup-invalid' })
    for (let sample = 0; sample < 60; sample++) {
      const cut = file.subarray(0, Math.floor((file.length * sample) / 60))
      await expect(openAge(cut, { identity })).rejects.toMatchObject({ code: 'backup-invalid' })
      const changed = new Uint8Array(file)
      const place = Math.floor((file.length * sample) / 60)
      changed[place] = (changed[place] ?? 0) ^ 1
      await expect(openAge(changed, { identity })).rejects.toMatchObject({ code: 'backup-invalid' })
    }
  })

  test('that is cut, repeated, reordered or of another kind is none, wherever it is cut', () => {
    expect(decodeBackup(plain).changes.length).toBeGreaterThan(20)
    const ends = recordEnds(plain)
    for (const end of [...ends.slice(0, -1), ...ends.map((at) => at - 3), 0, 2]) {
      expect(
        codeOf(() => decodeBackup(plain.subarray(0, end))),
        `cut at ${end}`,
      ).toBe('backup-invalid')
    }
    const [head = 0, first = 0, second = 0] = ends
    const parts = [plain.subarray(0, head), plain.subarray(head, first), plain.subarray(first, second)] as const
    const rest = plain.subarray(second)
    expect(codeOf(() => decodeBackup(joinBytes([parts[0], parts[2], parts[1], rest])))).toBe('backup-invalid')
    expect(codeOf(() => decodeBackup(joinBytes([parts[0], parts[1], parts[1], parts[2], rest])))).toBe('backup-invalid')
    expect(codeOf(() => decodeBackup(joinBytes([plain, parts[1]])))).toBe('backup-invalid')
    expect(codeOf(() => decodeBackup(joinBytes([parts[1], rest])))).toBe('backup-invalid')
    expect(state).toBeDefined()
  })

  test('has so many bytes and no more, and a larger file is not read', async () => {
    await using store = await makeVault(await openLog(memoryLog()))
    const { length } = encodeBackup(store)
    expect(encodeBackup(store, length)).toHaveLength(length)
    expect(codeOf(() => encodeBackup(store, length - 1))).toBe('too-large')
    const file = join(folder, 'large.age')
    const passphraseFile = join(folder, 'passphrase')
    await Promise.all([writeFile(file, ''), writeFile(passphraseFile, 'correct horse')])
    await truncate(file, BACKUP_FILE_BYTES_MAX + 1)
    const taken = importVault(file, { data: join(folder, 'nowhere'), identityFile: undefined, passphraseFile })
    await expect(taken).rejects.toMatchObject({ code: 'too-large' })
  })

  test('goes through the command: out here, in there, and nothing of a torn one', async () => {
    const data = join(folder, 'data')
    const secret = join(folder, 'identity')
    const identity = await generateX25519Identity()
    const recipient = await identityToRecipient(identity)
    await writeFile(secret, `# public key: ${recipient}\n${identity}\n`)
    {
      await using opened = await openFolder(data, { create: true })
      await opened.vaults.restore(decodeBackup(plain), 0)
    }
    const file = join(folder, 'alice.age')
    const [lock, key] = [
      ['--recipient', recipient],
      ['--identity-file', secret],
    ]
    expect((await trellis('vault', 'export', 'alice', '--data', data, '--out', file, ...lock)).code).toBe(0)
    const again = await trellis('vault', 'export', 'alice', '--data', data, '--out', file, ...lock)
    expect(again).toMatchObject({ code: 1, errors: [expect.stringContaining('alice.age')] })
    const there = join(folder, 'there')
    const torn = join(folder, 'torn.age')
    await writeFile(torn, await sealAge(plain.subarray(0, 4_000), { recipient }))
    const refused = await trellis('vault', 'import', torn, '--data', there, ...key)
    expect(refused).toMatchObject({ code: 1, errors: [expect.stringMatching(/^trellis: not a backup/)] })
    expect((await trellis('vault', 'import', file, '--data', there, ...key)).code).toBe(0)
    const { out, code } = await trellis('vault', 'verify', '--data', there)
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^alice: ok, commit \d+, .* audit rows\n$/) })
    expect((await trellis('vault', 'list', '--data', there)).out).toMatch(/alice +1 +\d+ +\d+ +\d+ +ok/)
  }, 120_000)
})

/** Where each record ends. */
function recordEnds(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const ends: number[] = []
  for (let at = 0; at < bytes.length; ends.push(at)) at += 4 + view.getUint32(at)
  return ends
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof Refusal) return error.code
    throw error
  }
  return 'none'
}
