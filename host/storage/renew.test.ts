import { describe, expect, it } from 'vitest'

import { openAead } from '#host/crypto/aead.ts'
import { digest } from '#host/crypto/kdf.ts'
import { create, keysOf, open, openDisk, put, restart } from './disk-vault.fixture.ts'
import { BATCH_BYTES, decodeBatch } from './batch.ts'
import { decodeHeader, HEADER_BYTES } from './frame.ts'
import { deriveKey, vaultTag, wrapKey } from './keys.ts'
import { memoryDisk, type MemoryDisk } from './memory-disk.fixture.ts'
import { openVault } from './open.ts'
import type { VaultStore } from './port.ts'
import { dump, seededRandom, utf8 } from './vault-store.fixture.ts'

const TAG = vaultTag('alice')

/** A vault with a connection that has put something in, in a snapshot and in frames after it. */
async function withSecrets(disk: MemoryDisk): Promise<VaultStore> {
  const store = await create(await openDisk(disk), disk)
  const put = (key: string) =>
    store.commit([{ namespace: 'connection/acme', key, value: utf8(`secret of acme ${key}`) }], { now: 1 })
  await put('before')
  await store.snapshot()
  await put('after')
  await store.commit([{ namespace: 'personal', key: 'mine', value: utf8('mine') }], { now: 1 })
  return store
}

/** Ends the connection: its items go, and then what opens the copies of them. */
async function sever(store: VaultStore, disk: MemoryDisk): Promise<void> {
  const gone = ['before', 'after'].map((key) => ({ namespace: 'connection/acme' as const, key, value: null }))
  await store.commit(gone, { now: 2 })
  await store.renew(keysOf(disk, 'alice'))
}

/** Every plaintext of the outer seals of a log and a snapshot that a KEK opens: all that whoever has it can reach. */
function opened(kek: Uint8Array, files: ReadonlyMap<string, Uint8Array>): Uint8Array[] {
  const key = wrapKey(kek.slice())
  const found: Uint8Array[] = []
  const attempt = (work: () => Uint8Array) => {
    try {
      found.push(work())
    } catch {}
  }
  for (const [name, bytes] of files) {
    if (name.startsWith('log.')) {
      let chain = new Uint8Array(32)
      for (let at = 0; at < bytes.length;) {
        if (decodeBatch(bytes.subarray(at)) !== undefined) at += BATCH_BYTES
        const frame = bytes.subarray(at)
        const header = decodeHeader(frame)
        if (!header) break
        const nonce = new Uint8Array(12)
        new DataView(nonce.buffer).setUint32(8, header.sequence)
        const body = frame.subarray(HEADER_BYTES, header.length)
        const aad = Uint8Array.from([...frame.subarray(0, HEADER_BYTES), ...chain])
        attempt(() => openAead(deriveKey(key, 'journal', TAG, header.segment), { nonce, aad }, body))
        chain = Uint8Array.from(digest(chain, frame.subarray(0, header.length)))
        at += header.length
      }
    }
    if (name.startsWith('snapshots/')) {
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(90)
      const aad = bytes.subarray(0, 94)
      const snapshotKey = deriveKey(key, 'snapshot', TAG, bytes.subarray(30, 46))
      attempt(() => openAead(snapshotKey, { nonce: new Uint8Array(12), aad }, bytes.subarray(94, 94 + length)))
    }
  }
  return found
}

describe('a renewal', () => {
  it('changes nothing that the vault shows, and goes on under the new key', async () => {
    const disk = memoryDisk()
    const store = await withSecrets(disk)
    const before = dump(store)
    await store.renew(keysOf(disk, 'alice'))
    expect(dump(store)).toEqual(before)
    await put(store, 'more')
    expect(store.head.epoch).toBe(1)
    expect((await keysOf(disk, 'alice').read())?.epoch).toBe(1)
    const found = await restart(disk.image(), { anchor: store.head })
    expect(dump(found)).toEqual(dump(store))
    expect(found.head).toEqual(store.head)
  })

  it('erases: old log, old snapshot and current keys open nothing of what was there', async () => {
    const disk = memoryDisk()
    const store = await withSecrets(disk)
    const old = disk.image()
    const oldKeys = await keysOf(old, 'alice').read()
    await sever(store, disk)
    const keys = await keysOf(disk, 'alice').read()
    if (!keys || !oldKeys) throw new Error('no keys')
    expect(keys.next).toBeUndefined()

    // The attempt itself works: with the key of then it opens every frame and the snapshot.
    expect(opened(oldKeys.kek, old.files())).toHaveLength(5)
    expect(opened(keys.kek, old.files())).toEqual([])
    // What is kept now opens, and has nothing of it.
    const now = opened(keys.kek, new Map([...disk.files()].filter(([name]) => name.startsWith('snapshots/'))))
    expect(now).toHaveLength(1)
    expect(Buffer.from(now[0] ?? []).includes('connection/acme')).toBe(false)
    expect((await restart(disk.image())).namespaces()).toEqual(['personal'])

    const [name = '', snapshot = new Uint8Array(0)] =
      [...old.files()].find(([path]) => path.startsWith('snapshots/')) ?? []
    expect(name).toContain(TAG.toHex())
    const options = { vault: 'alice', random: seededRandom('thief') }
    for (const snapshots of [undefined, old.blobs('snapshots')]) {
      const thief = openVault(await openDisk(old.image()), {
        ...options,
        kek: keys.kek.slice(),
        ...(snapshots && { snapshots }),
      })
      await expect(thief).rejects.toMatchObject({ code: 'key-missing' })
    }
    // The old snapshot under the new log, too.
    const mixed = disk.image()
    await mixed.blobs('snapshots').write(TAG.toHex(), [snapshot])
    await expect(restart(mixed)).rejects.toMatchObject({
      code: 'key-missing',
      message: expect.stringContaining('older than the last renewal'),
    })
  })

  it('comes to its end wherever the machine stops, with every commit that was acknowledged', async () => {
    let clean = false
    for (let at = 1; !clean; at++) {
      for (const keep of [() => 0, (most: number) => most >> 1, (most: number) => most]) {
        let stopped: MemoryDisk | undefined
        let begun = 0
        const disk: MemoryDisk = memoryDisk({
          before: () => {
            if (begun > 0 && disk.stats.operations === begun + at) stopped ??= disk.crash(keep)
          },
        })
        const store = await withSecrets(disk)
        begun = disk.stats.operations
        const acked: string[] = []
        const writing = (async () => {
          for (let turn = 0; turn < 4; turn++) await put(store, `w${turn}`).then(() => acked.push(`w${turn}`))
        })()
        await Promise.allSettled([sever(store, disk), writing])
        clean = stopped === undefined
        const found = await restart(stopped ?? disk.crash(keep))
        for (const key of acked) expect(found.namespace('personal').get(key)).toBeDefined()
        expect(found.renewing).toBe(false)
        await put(found, 'on')
      }
    }
  })

  it('that failed half way is ended by the next, without a key in between', async () => {
    let renewed = 0
    for (let at = 1; renewed < 1; at++) {
      const faults = { at: Number.POSITIVE_INFINITY }
      const disk = memoryDisk({ fault: faults })
      const log = await openDisk(disk)
      const store = await create(log, disk)
      await put(store, 'k')
      faults.at = disk.stats.operations + at
      const first = await store.renew(keysOf(disk, 'alice')).catch((error: unknown) => error)
      faults.at = Number.POSITIVE_INFINITY
      if (!(first instanceof Error)) renewed++
      else expect(first).toMatchObject({ code: 'storage-failed' })
      await put(store, 'between')
      await store.renew(keysOf(disk, 'alice'))
      await put(store, 'after')
      expect(store.renewing).toBe(false)
      const found = await restart(disk.image())
      expect(dump(found)).toEqual(dump(store))
      await store[Symbol.asyncDispose]()
      expect(dump(await open(log, disk))).toEqual(dump(store))
    }
  })
})
