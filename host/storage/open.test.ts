import { crc32 } from 'node:zlib'
import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'

import { HEADER_BYTES } from './frame.ts'
import { openLog } from './group.ts'
import { memoryLog } from './memory-log.fixture.ts'
import { createVault, openVault } from './open.ts'
import type { Receipt } from './port.ts'
import {
  concat,
  dump,
  framesIn,
  kekOf,
  makeVault,
  optionsOf,
  recover,
  seededRandom,
  utf8,
} from './vault-store.fixture.ts'

/** Frames of alice (1 is her birth), the heads and states after each, and frames of bob. */
const alice: { frames: Uint8Array[]; heads: Receipt[]; states: unknown[] } = { frames: [], heads: [], states: [] }
let bob: Uint8Array[] = []

beforeAll(async () => {
  const memory = memoryLog()
  const store = await makeVault(await openLog(memory))
  for (let at = 0; at < 6; at++) {
    alice.heads.push(store.head)
    alice.states.push(dump(store))
    const value = utf8(`value ${at}`)
    await store.commit(
      [
        { namespace: 'personal', key: `k${at}`, value },
        { namespace: at % 2 ? 'system' : 'connection/acme', key: 'k', value: at === 4 ? null : value },
      ],
      { now: at },
    )
  }
  alice.heads.push(store.head)
  alice.states.push(dump(store))
  alice.frames = await framesIn(memory)
  const other = memoryLog()
  const second = await makeVault(await openLog(other), 'bob')
  for (let at = 0; at < 6; at++)
    await second.commit([{ namespace: 'personal', key: 'k', value: utf8('b') }], { now: at })
  bob = await framesIn(other)
})

const open = (frames: readonly Uint8Array[], anchor?: Receipt) =>
  recover(memoryLog({ bytes: concat(frames) }), anchor && { anchor })

/** A frame under another vault's tag, as someone would make it who can compute a checksum. */
function retagged(frame: Uint8Array, tagOf: Uint8Array): Uint8Array {
  const forged = frame.slice()
  forged.set(tagOf.subarray(5, 21), 5)
  new DataView(forged.buffer).setUint32(45, crc32(forged.subarray(0, 45)))
  return forged
}

describe('recovery', () => {
  it('gives at every frame the state there was', async () => {
    for (let count = 1; count <= alice.frames.length; count++) {
      const { store, log } = await open(alice.frames.slice(0, count))
      expect(dump(store)).toEqual(alice.states[count - 1])
      expect(store.head).toEqual(alice.heads[count - 1])
      expect(log.torn).toBe(0)
    }
  })

  it('cuts a frame that is not whole, wherever the log ends, and goes on from there', async () => {
    const bytes = concat(alice.frames)
    const first = alice.frames[0]?.length ?? 0
    for (let size = first; size < bytes.length; size++) {
      const memory = memoryLog({ bytes: bytes.subarray(0, size) })
      const { store, log } = await recover(memory)
      expect(dump(store)).toEqual(alice.states[store.head.sequence - 1])
      expect(memory.size + log.torn).toBe(size)
      expect(memory.size).toBe(concat(alice.frames.slice(0, store.head.sequence)).length)
      if (size % 50 > 0) continue
      await store.commit([{ namespace: 'personal', key: 'more', value: utf8('more') }], { now: 9 })
      expect(dump((await recover(memory.crash())).store)).toEqual(dump(store))
    }
  })

  it('finds one vault among others, whatever order their frames came in', async () => {
    const mixed = alice.frames.flatMap((frame, at) => [...bob.slice(at, at + 1), frame])
    const { store, log } = await open(mixed)
    expect(dump(store)).toEqual(alice.states.at(-1))
    const second = await openVault(log, optionsOf('bob'))
    expect(second.namespace('personal').get('k')).toMatchObject({ revision: 6 })
    await expect(openVault(log, optionsOf('carol'))).rejects.toMatchObject({ code: 'vault-unknown' })
  })

  it('opens again in the same log what was closed there', async () => {
    const { store, log } = await open(alice.frames)
    await expect(openVault(log, optionsOf('alice'))).rejects.toThrow('open already')
    await store.commit([{ namespace: 'audit', key: 'x', value: utf8('x') }], { now: 7 })
    await store[Symbol.asyncDispose]()
    const again = await openVault(log, optionsOf('alice'))
    expect(dump(again)).toEqual(dump(store))
    expect(again.head).toEqual(store.head)
  })

  it('is free to be tried again after it failed', async () => {
    const log = await openLog(memoryLog({ bytes: concat(alice.frames) }))
    await expect(openVault(log, { ...optionsOf('alice'), kek: kekOf('bob') })).rejects.toThrow()
    await expect(openVault(log, optionsOf('alice'))).resolves.toBeDefined()
  })
})

describe('a log that is not what was written', () => {
  it('refuses a bit flipped anywhere, by a name', async () => {
    const bytes = concat(alice.frames)
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: bytes.length * 8 - 1 }), async (bit) => {
        const changed = bytes.slice()
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        await expect(recover(memoryLog({ bytes: changed }))).rejects.toMatchObject({ code: 'journal-tampered' })
      }),
      { numRuns: 300 },
    )
  })

  it('refuses a whole last frame that is damaged: only an incomplete one is torn', async () => {
    const last = alice.frames.at(-1)?.slice() ?? new Uint8Array(0)
    last[last.length - 1] = (last.at(-1) ?? 0) ^ 1
    await expect(open([...alice.frames.slice(0, -1), last])).rejects.toMatchObject({
      code: 'journal-tampered',
      message: 'vault alice: frame 7 is not what was written: restore the log from a copy',
    })
  })

  it('refuses a frame dropped, swapped or repeated', async () => {
    for (let at = 0; at < alice.frames.length - 1; at++) {
      const before = alice.frames.slice(0, at)
      const [one, two] = alice.frames.slice(at, at + 2) as [Uint8Array, Uint8Array]
      const after = alice.frames.slice(at + 2)
      const named = { code: 'journal-gap', message: expect.stringContaining(`where frame ${at + 1} belongs`) }
      await expect(open([...before, two, ...after])).rejects.toMatchObject(named)
      await expect(open([...before, two, one, ...after])).rejects.toMatchObject(named)
      const again = { code: 'journal-gap', message: expect.stringContaining(`where frame ${at + 2} belongs`) }
      await expect(open([...before, one, one, two, ...after])).rejects.toMatchObject(again)
    }
  })

  it('refuses a frame with a number that is not its own', async () => {
    const forged = alice.frames[3]?.slice() ?? new Uint8Array(0)
    forged[44] = 3
    new DataView(forged.buffer).setUint32(45, crc32(forged.subarray(0, 45)))
    await expect(open([...alice.frames.slice(0, 2), forged])).rejects.toMatchObject({ code: 'journal-tampered' })
  })

  it('refuses another vault’s frame under this vault’s name', async () => {
    const [mine, theirs] = [alice.frames[2], bob[2]] as [Uint8Array, Uint8Array]
    await expect(open([...alice.frames.slice(0, 2), retagged(theirs, mine)])).rejects.toMatchObject({
      code: 'journal-foreign',
      message: expect.stringContaining('frame 3'),
    })
    await expect(open([...alice.frames, retagged(theirs, mine)])).rejects.toMatchObject({ code: 'journal-foreign' })
  })

  it('refuses frames of two histories that were put together', async () => {
    const memory = memoryLog({ bytes: concat(alice.frames.slice(0, 3)) })
    const { store } = await recover(memory)
    for (let at = 0; at < 4; at++)
      await store.commit([{ namespace: 'personal', key: 'f', value: utf8('f') }], { now: at })
    const fork = await framesIn(memory)
    await expect(open([...alice.frames.slice(0, 4), ...fork.slice(4)])).rejects.toMatchObject({
      code: 'journal-tampered',
    })
  })

  it('says that the key is wrong when it is', async () => {
    const log = await openLog(memoryLog({ bytes: concat(alice.frames) }))
    await expect(openVault(log, { ...optionsOf('alice'), kek: kekOf('bob') })).rejects.toMatchObject({
      code: 'key-missing',
      message: expect.stringContaining('vault alice'),
    })
  })
})

describe('an anchor', () => {
  it('that the log reaches is met, at its end or before', async () => {
    for (const anchor of alice.heads) await expect(open(alice.frames, anchor)).resolves.toBeDefined()
  })

  it('shows a truncation that otherwise looks like a shorter log', async () => {
    for (let count = 0; count < alice.frames.length; count++) {
      const frames = alice.frames.slice(0, count)
      await expect(open(frames, alice.heads.at(-1))).rejects.toMatchObject({ code: 'journal-behind' })
      if (count > 0) await expect(open(frames)).resolves.toBeDefined()
    }
  })

  it('shows a fork whose frames end elsewhere', async () => {
    const memory = memoryLog({ bytes: concat(alice.frames.slice(0, 3)) })
    const { store } = await recover(memory)
    const write = (key: string) => store.commit([{ namespace: 'personal', key, value: utf8('f') }], { now: 1 })
    await Promise.all(['a', 'b', 'c'].map(write))
    const fork = await framesIn(memory)
    expect(fork).toHaveLength(4)
    for (const anchor of alice.heads.slice(3, 6)) {
      await expect(open(fork, anchor)).rejects.toMatchObject({ code: 'journal-behind' })
    }
    await expect(open(fork, store.head)).resolves.toBeDefined()
  })

  it('shows a fork', async () => {
    const anchor = { sequence: 4, chain: alice.heads[2]?.chain ?? new Uint8Array(32), epoch: 0 }
    await expect(open(alice.frames, anchor)).rejects.toMatchObject({
      code: 'journal-behind',
      message: expect.stringContaining('frame 4'),
    })
  })
})

describe('secrets', () => {
  it('leave no name, key or value in the log', async () => {
    const text = Buffer.from(concat(alice.frames)).toString('latin1')
    for (const word of ['alice', 'personal', 'system', 'acme', 'value 1']) expect(text).not.toContain(word)
    const memory = memoryLog()
    const store = await makeVault(await openLog(memory))
    const secret = seededRandom('secret')(64)
    await store.commit([{ namespace: 'personal', key: secret.toHex(), value: secret }], { now: 1 })
    const bytes = Buffer.from(await memory.read())
    expect(bytes.includes(Buffer.from(secret))).toBe(false)
    expect(bytes.includes(secret.toHex())).toBe(false)
  })

  it('are zeroed where they came from, also when opening fails', async () => {
    const log = await openLog(memoryLog())
    for (const open of [createVault, createVault, openVault]) {
      const options = optionsOf('alice')
      await open(log, options).catch(() => {})
      expect(options.kek).toEqual(new Uint8Array(32))
    }
  })

  it('meet a fresh segment at every open, so that the same commit never has the same seal', async () => {
    const change = { namespace: 'personal', key: 'same', value: utf8('same') } as const
    const tails: Uint8Array[] = []
    for (let at = 0; at < 2; at++) {
      const memory = memoryLog({ bytes: concat(alice.frames) })
      const { store } = await recover(memory)
      await store.commit([change], { now: 1 })
      tails.push((await framesIn(memory)).at(-1) ?? new Uint8Array(0))
    }
    const [first, second] = tails as [Uint8Array, Uint8Array]
    expect(first.subarray(0, 29)).toEqual(second.subarray(0, 29))
    expect(first.subarray(29, 37)).not.toEqual(second.subarray(29, 37))
    expect(first.subarray(HEADER_BYTES)).not.toEqual(second.subarray(HEADER_BYTES))
  })
})

it('refuses to create what is there, under whichever key', async () => {
  const log = await openLog(memoryLog({ bytes: concat(alice.frames) }))
  for (const kek of [kekOf('alice'), kekOf('other')]) {
    await expect(createVault(log, { ...optionsOf('alice'), kek })).rejects.toMatchObject({ code: 'conflict' })
  }
})
