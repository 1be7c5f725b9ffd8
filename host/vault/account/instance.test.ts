import { randomBytes } from 'node:crypto'

import { beforeEach, describe, expect, test } from 'vitest'

import { generateKemKey } from '#host/crypto/kem.ts'
import type { BlobStore } from '#host/storage/port.ts'
import { memorySealer } from '#host/storage/sealer.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { type Instance, openInstance } from './instance.ts'
import { INSTANCE_BYTES_MAX } from './limits.ts'

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
const sealer = memorySealer(random)
let kept: Map<string, Uint8Array>
let blobs: BlobStore

beforeEach(() => {
  kept = new Map()
  blobs = {
    read: (name) => Promise.resolve(kept.get(name)),
    write: (name, chunks) => Promise.resolve(void kept.set(name, new Uint8Array(Buffer.concat([...chunks])))),
  }
})

const open = (): Promise<Instance> => openInstance({ blobs, sealer, random })

describe('the instance row', () => {
  test('of a host that never wrote one: sign-ups open, no backup key, and nothing on disk', async () => {
    expect((await open()).row).toEqual({ signUps: 'open', backupKey: null })
    expect(kept.size).toBe(0)
  })

  test('is there at the next opening; what is not named stays', async () => {
    const raw = generateKemKey().publicKey
    const instance = await open()
    await instance.change({ signUps: 'closed' })
    await instance.change({ backupKey: raw })
    expect((await open()).row).toEqual({ signUps: 'closed', backupKey: raw })
    await instance.change({ backupKey: null })
    expect((await open()).row).toEqual({ signUps: 'closed', backupKey: null })
  })

  test('keeps one token key until a new one is asked for', async () => {
    const instance = await open()
    const [first, again] = await Promise.all([instance.tokenKey(), instance.tokenKey()])
    expect(again.export()).toEqual(first.export())
    expect((await (await open()).tokenKey()).export()).toEqual(first.export())
    await instance.change({ signUps: 'closed' })
    expect((await instance.tokenKey()).export()).toEqual(first.export())
    await instance.change({ tokenKey: 'new' })
    expect((await instance.tokenKey()).export()).not.toEqual(first.export())
  })

  test('takes no backup key that is none, and stays as it was', async () => {
    const instance = await open()
    await expect(instance.change({ backupKey: new Uint8Array(7), signUps: 'closed' })).rejects.toMatchObject({
      code: 'malformed',
    })
    expect(instance.row.signUps).toBe('open')
  })

  test('holds its token key sealed, and opens under its own sealer alone', async () => {
    const instance = await open()
    const key = new Uint8Array((await instance.tokenKey()).export())
    const stored = Buffer.from(kept.get('instance.row') ?? new Uint8Array(0))
    expect(stored.length).toBeGreaterThan(0)
    expect(stored.includes(key)).toBe(false)
    await expect(openInstance({ blobs, sealer: memorySealer(random), random })).rejects.toMatchObject({
      code: 'key-missing',
    })
  })

  test('has so many bytes, and more are not looked at', async () => {
    for (const [length, code] of [
      [INSTANCE_BYTES_MAX, 'key-missing'],
      [INSTANCE_BYTES_MAX + 1, 'too-large'],
    ] as const) {
      kept.set('instance.row', sealer.seal(encodeCbor(new Uint8Array(length - 3)), 'instance'))
      await expect(open()).rejects.toMatchObject({ code: 'key-missing', cause: { code } })
    }
  })

  test('of a newer host is refused', async () => {
    kept.set('instance.row', sealer.seal(Uint8Array.of(0x81, 0x02), 'instance'))
    await expect(open()).rejects.toMatchObject({ code: 'key-missing' })
  })
})
