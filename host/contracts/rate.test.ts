import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { RATE_WINDOW_MS } from '#host/limits.ts'

import { type Bucket, fullBucket, takeToken } from './rate.ts'

const START = 1_700_000_000_000

/** How many of the calls at `times` get a token. */
function granted(times: readonly number[], capacity: number, bucket: Bucket): { count: number; bucket: Bucket } {
  let count = 0
  for (const now of times) {
    const draw = takeToken(bucket, { capacity }, now)
    if (!('bucket' in draw)) continue
    bucket = draw.bucket
    count++
  }
  return { count, bucket }
}

test('the 101st request inside the hour is refused until the hour is over', () => {
  let bucket = fullBucket({ capacity: 100 }, START)
  for (let i = 0; i < 100; i++) {
    const draw = takeToken(bucket, { capacity: 100 }, START + i * 1_000)
    if (!('bucket' in draw)) throw new Error(`request ${i + 1} was refused`)
    bucket = draw.bucket
  }
  const ends = START + RATE_WINDOW_MS
  expect(takeToken(bucket, { capacity: 100 }, START + 100_000)).toEqual({ refusedUntil: ends })
  expect(takeToken(bucket, { capacity: 100 }, ends - 1)).toEqual({ refusedUntil: ends })
  expect(takeToken(bucket, { capacity: 100 }, ends)).toEqual({ bucket: { left: 99, since: ends } })
})

test('the hour counts from the first token, not from when the bucket was made', () => {
  const first = START + 50 * 60_000
  const { bucket } = granted([first, first], 2, fullBucket({ capacity: 2 }, START))
  expect(takeToken(bucket, { capacity: 2 }, START + RATE_WINDOW_MS)).toEqual({ refusedUntil: first + RATE_WINDOW_MS })
})

test('a full bucket that was made long ago holds one capacity, not many', () => {
  const late = START + 1_000 * RATE_WINDOW_MS
  expect(granted(Array<number>(50).fill(late), 10, fullBucket({ capacity: 10 }, START)).count).toBe(10)
})

test('a capacity that shrinks counts at once, one that grows from the next window on', () => {
  const { bucket } = granted([START], 100, fullBucket({ capacity: 100 }, START))
  const now = Array<number>(300).fill(START + 1)
  expect(granted(now, 10, bucket).count).toBe(10)
  expect(granted(now, 200, bucket).count).toBe(99)
  expect(granted(Array<number>(300).fill(START + RATE_WINDOW_MS), 200, bucket).count).toBe(200)
})

test('a capacity of nothing grants nothing', () => {
  expect(takeToken(fullBucket({ capacity: 0 }, START), { capacity: 0 }, START + 2 * RATE_WINDOW_MS)).toHaveProperty(
    'refusedUntil',
  )
})

const capacity = fc.integer({ min: 1, max: 6 })
/** Steps of a clock, some of them backwards, some over a whole window. */
const steps = fc.array(fc.integer({ min: -RATE_WINDOW_MS, max: RATE_WINDOW_MS }), { maxLength: 60 })

function clock(deltas: readonly number[]): number[] {
  let now = START
  return deltas.map((delta) => (now += delta))
}

test('no window of an hour that begins with a full bucket grants more than its capacity', () => {
  fc.assert(
    fc.property(capacity, steps, (capacity, deltas) => {
      const times = clock(deltas.map(Math.abs))
      let bucket = fullBucket({ capacity }, START)
      const grants = new Map<number, number>()
      for (const now of times) {
        const draw = takeToken(bucket, { capacity }, now)
        if (!('bucket' in draw)) continue
        bucket = draw.bucket
        expect(now).toBeLessThan(bucket.since + RATE_WINDOW_MS)
        grants.set(bucket.since, (grants.get(bucket.since) ?? 0) + 1)
      }
      for (const count of grants.values()) expect(count).toBeLessThanOrEqual(capacity)
      const windows = [...grants.keys()]
      for (const [i, since] of windows.entries()) {
        if (i > 0) expect(since - (windows[i - 1] ?? 0)).toBeGreaterThanOrEqual(RATE_WINDOW_MS)
      }
    }),
    { numRuns: 300 },
  )
})

test('a clock that goes back never grants more than one that stood still instead', () => {
  fc.assert(
    fc.property(capacity, steps, (capacity, deltas) => {
      const times = clock(deltas)
      let latest = START
      const still = times.map((now) => (latest = Math.max(latest, now)))
      const fresh = fullBucket({ capacity }, START)
      for (let length = 1; length <= times.length; length++) {
        const jumping = granted(times.slice(0, length), capacity, fresh).count
        expect(jumping).toBeLessThanOrEqual(granted(still.slice(0, length), capacity, fresh).count)
      }
    }),
    { numRuns: 300 },
  )
})

test('a bucket survives storage: the answer depends on its two numbers alone', () => {
  const { bucket } = granted([START, START + 5], 3, fullBucket({ capacity: 3 }, START))
  const kept: unknown = JSON.parse(JSON.stringify(bucket))
  expect(kept).toEqual({ left: 1, since: START })
})
