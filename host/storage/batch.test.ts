import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'

import { decodeBatch, encodeBatch } from './batch.ts'
import { encodeHeader, indexFrames } from './frame.ts'
import { type Log, openLog } from './group.ts'
import { memoryLog, type MemoryLog } from './memory-log.fixture.ts'
import type { VaultStore } from './port.ts'
import { concat, dump, makeVault, recover, seededRandom } from './vault-store.fixture.ts'

const SECTOR = 512
const ROOM = new Uint8Array(5_000)
/** What the log held after each batch, and what the vault showed then. */
interface Stage {
  readonly size: number
  readonly state: unknown
}
let bytes: Uint8Array
const stages: Stage[] = []

beforeAll(async () => {
  const memory: MemoryLog = memoryLog()
  const log: Log = await openLog(memory)
  const [alice, bob] = [await makeVault(log), await makeVault(log, 'bob')]
  const random = seededRandom('batches')
  const put = (store: VaultStore, at: number) =>
    store.commit([{ namespace: 'personal', key: `k${at}`, value: random(600) }], { now: at })
  for (let at = 0; at < 4; at++) {
    // Frames of two vaults in one batch, over several sectors.
    await Promise.all([put(bob, at), put(alice, at), put(alice, at + 10)])
    stages.push({ size: memory.size, state: dump(alice) })
  }
  bytes = await memory.read()
})

function stage(at: number): Stage {
  const found = stages.at(at)
  if (found === undefined) throw new Error('there is no such batch')
  return found
}

async function found(image: Uint8Array): Promise<{ state: unknown; torn: number }> {
  const { log, store } = await recover(memoryLog({ bytes: image }))
  return { state: dump(store), torn: log.torn }
}

function withZeros(image: Uint8Array, { from, to }: { from: number; to: number }): Uint8Array {
  return image.slice().fill(0, from, to)
}

describe('a record', () => {
  it('reads back, and not with any bit flipped', () => {
    const record = encodeBatch([Uint8Array.from([1, 2]), Uint8Array.from([3])])
    expect(decodeBatch(record)).toMatchObject({ length: 16 })
    expect(encodeBatch([Uint8Array.from([1]), Uint8Array.from([2, 3])])).toEqual(record)
    for (let bit = 0; bit < record.length * 8; bit++) {
      const changed = record.slice()
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(decodeBatch(changed)).toBeUndefined()
    }
    expect(decodeBatch(record.subarray(1))).toBeUndefined()
    expect(decodeBatch(record.subarray(0, -4))).toBeUndefined()
    expect(decodeBatch(encodeBatch([]))).toBeUndefined()
  })
})

describe('the last batch, in room that was zero before', () => {
  it('is there whole, or not at all when any of its sectors did not reach the disk', async () => {
    const { size: from } = stage(-2)
    const sectors: number[] = []
    for (let at = from - (from % SECTOR); at < bytes.length; at += SECTOR) sectors.push(at)
    await fc.assert(
      fc.asyncProperty(fc.subarray(sectors), async (lost) => {
        let image = concat([bytes, ROOM])
        for (const at of lost) {
          image = withZeros(image, { from: Math.max(at, from), to: Math.min(at + SECTOR, bytes.length) })
        }
        const { state, torn } = await found(image)
        expect(state).toEqual(stage(lost.length > 0 ? -2 : -1).state)
        // Whatever is cut was written by nobody, or in part.
        if (lost.length === 0 || lost.length === sectors.length) expect(torn).toBe(0)
        else expect(torn).toBeGreaterThan(0)
      }),
      { numRuns: 200 },
    )
  })

  it('is cut when it was written up to some byte', async () => {
    const { size: from } = stage(-2)
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: from, max: bytes.length - 16 }), async (cut) => {
        const image = withZeros(concat([bytes, ROOM]), { from: cut, to: bytes.length })
        expect((await found(image)).state).toEqual(stage(-2).state)
      }),
      { numRuns: 100 },
    )
  })

  it('is there when it holds zeros of its own', async () => {
    const [tag, keyId, segment] = [new Uint8Array(16), new Uint8Array(8), new Uint8Array(8)]
    const frame = concat([
      encodeHeader({ length: 2_000, tag, keyId, segment, sequence: 1 }),
      new Uint8Array(2_000 - 49),
    ])
    const sequences: number[] = []
    const whole = concat([encodeBatch([frame]), frame])
    const { torn } = await indexFrames(memoryLog({ bytes: concat([whole, ROOM]) }), ({ sequence }) => {
      sequences.push(sequence)
    })
    expect({ sequences, torn }).toEqual({ sequences: [1], torn: 0 })
  })

  it('is refused when a bit of it is another: that is no tear', async () => {
    const { size: from } = stage(-2)
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: (bytes.length - from) * 8 - 1 }), async (bit) => {
        const image = concat([bytes, ROOM])
        const at = from + (bit >> 3)
        image[at] = (image[at] ?? 0) ^ (1 << (bit & 7))
        const both = async () => {
          await found(image)
          await recover(memoryLog({ bytes: image }), { vault: 'bob' })
        }
        await expect(both()).rejects.toMatchObject({ code: 'journal-tampered' })
      }),
      { numRuns: 200 },
    )
  })
})

describe('a batch before the last', () => {
  it.each([
    ['its record', 0, 13],
    ['all of it', 0, Number.POSITIVE_INFINITY],
    ['a frame of it', 100, 1_000],
  ])('is refused with zeros over %s: what is behind it shows that it was durable', async (_what, start, length) => {
    const from = stage(1).size + start
    const to = Math.min(from + length, stage(2).size)
    await expect(found(withZeros(concat([bytes, ROOM]), { from, to }))).rejects.toMatchObject({
      code: 'journal-tampered',
    })
  })
})

it('goes on where a torn batch was cut', async () => {
  const image = withZeros(concat([bytes, ROOM]), { from: bytes.length - SECTOR, to: bytes.length })
  const memory = memoryLog({ bytes: image })
  const { store } = await recover(memory)
  await store.commit([{ namespace: 'personal', key: 'after', value: ROOM.subarray(0, 700) }], { now: 9 })
  const { store: again } = await recover(memory.crash(), { anchor: store.head })
  expect(dump(again)).toEqual(dump(store))
})
