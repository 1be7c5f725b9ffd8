import { expect, test } from 'vitest'

import { LONG_EVENT_MS, STEP_ASIDE_MS, STEP_MS_MIN } from './limits.ts'
import { openPace } from './pace.ts'

function paced(deadlineMs: number) {
  const clock = { now: 1_000 }
  const rests: number[] = []
  const pace = openPace({ deadlineMs, monotonic: () => clock.now, rest: (ms) => void rests.push(ms) })
  return { clock, rests, pace }
}

test('an event is late past its deadline, counted from its own beginning', () => {
  const { clock, pace } = paced(10)
  pace.begin()
  clock.now += 10
  expect(pace.isLate()).toBe(false)
  clock.now += 1
  expect(pace.isLate()).toBe(true)
  pace.begin()
  expect(pace.isLate()).toBe(false)
})

test('one that runs long rests after each step, and none before', () => {
  const { clock, rests, pace } = paced(1_000)
  const step = (ms: number): void => {
    clock.now += ms
    pace.isLate()
  }
  pace.begin()
  for (let ms = 0; ms < LONG_EVENT_MS; ms++) step(1)
  expect(rests).toEqual([])
  step(1)
  rests.length = 0
  step(STEP_MS_MIN / 2)
  expect(rests).toEqual([])
  step(STEP_MS_MIN / 2)
  step(10)
  expect(rests).toEqual([STEP_ASIDE_MS, STEP_ASIDE_MS])
})

test('nobody rests beyond the deadline', () => {
  const { clock, rests, pace } = paced(100)
  pace.begin()
  clock.now += 99
  pace.isLate()
  expect(rests).toEqual([1])
})

test('one that is late does not rest first', () => {
  const { clock, rests, pace } = paced(100)
  pace.begin()
  clock.now += 101
  expect([pace.isLate(), rests]).toEqual([true, []])
})
