import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { Refusal } from '#host/errors.ts'

import { Backoff } from './backoff.ts'
import { jobFor, registryOf } from './fixtures/stage.ts'
import type { Given } from './job.ts'
import { BACKOFF_FORGET_MS, BACKOFF_MS, BACKOFF_MS_MAX, BACKOFF_WAITING_MAX, FAULTS_FREE } from './limits.ts'
import { HandlerFailure, HandlerRefusal } from './refusal.ts'

const registry = registryOf('notes')
const fault = new HandlerFailure('handler-trapped', 'unreachable')

/** Events that are begun, and end when they are told. */
function scene() {
  const begun: Given[] = []
  const backoff = new Backoff((given) => void begun.push(given))
  return {
    backoff,
    begun,
    enter(connectionId = 'acme', end = vi.fn()) {
      const { context, ...job } = jobFor(registry, 'notes')
      backoff.enter({ job: { ...job, context: { ...context, connectionId } }, resolve: vi.fn(), reject: end })
      return end
    },
    /** The oldest of those begun ends. */
    end(failure?: unknown) {
      const given = begun.shift()
      if (given === undefined) throw new Error('none was begun')
      backoff.ended(given.job, failure)
    },
  }
}

type Scene = ReturnType<typeof scene>

function failOften(on: Scene, times: number): void {
  for (let at = 0; at < times; at++) {
    on.enter()
    on.end(fault)
  }
}

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

describe('a kind of event that fails again and again', () => {
  test('is tried at once for the first times, then waits twice as long each time, up to a most', () => {
    const on = scene()
    failOften(on, FAULTS_FREE)
    for (let ms = BACKOFF_MS; ms < 4 * BACKOFF_MS_MAX; ms *= 2) {
      const rest = Math.min(ms, BACKOFF_MS_MAX)
      on.enter()
      vi.advanceTimersByTime(rest - 1)
      expect(on.begun).toHaveLength(0)
      vi.advanceTimersByTime(1)
      expect(on.begun).toHaveLength(1)
      on.end(fault)
    }
  })

  test('is tried one event at a time, and freely again once one ends well', () => {
    const on = scene()
    failOften(on, FAULTS_FREE)
    for (let at = 0; at < 4; at++) on.enter()
    expect(on.backoff.length).toBe(4)
    vi.advanceTimersByTime(BACKOFF_MS)
    expect(on.begun).toHaveLength(1)
    on.end()
    expect(on.begun).toHaveLength(3)
    failOften(on, 1)
    on.enter()
    expect(on.begun).toHaveLength(4)
  })

  test('waits for nothing more once its rest is over', () => {
    const on = scene()
    failOften(on, FAULTS_FREE)
    vi.advanceTimersByTime(BACKOFF_MS)
    on.enter()
    expect(on.begun).toHaveLength(1)
  })

  test.each(['handler-deadline', 'handler-lied', 'not-granted'] as const)('fails by %s, too', (code) => {
    const on = scene()
    for (let at = 0; at < FAULTS_FREE; at++) {
      on.enter()
      on.end(new HandlerFailure(code, 'what it did'))
    }
    on.enter()
    expect(on.begun).toHaveLength(0)
  })

  test('keeps nobody of another connection waiting', () => {
    const on = scene()
    failOften(on, FAULTS_FREE)
    on.enter('bolt')
    expect(on.begun).toHaveLength(1)
  })

  test('has a bounded line', () => {
    const on = scene()
    failOften(on, FAULTS_FREE)
    for (let at = 0; at < BACKOFF_WAITING_MAX; at++) on.enter()
    expect(on.enter()).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'busy' }))
    expect(on.backoff.length).toBe(BACKOFF_WAITING_MAX)
  })

  test('is forgotten when nobody asks for it', () => {
    const on = scene()
    failOften(on, FAULTS_FREE)
    vi.advanceTimersByTime(BACKOFF_MS + BACKOFF_FORGET_MS)
    failOften(on, FAULTS_FREE - 1)
    on.enter()
    expect(on.begun).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(1)
  })

  test('gives back what waits when the host stops', () => {
    const on = scene()
    failOften(on, FAULTS_FREE)
    on.enter()
    expect(on.backoff.clear()).toHaveLength(1)
    expect([on.backoff.length, vi.getTimerCount()]).toEqual([0, 0])
  })
})

describe('what is no fault', () => {
  test.each([
    ['a no of the handler', new HandlerRefusal({ code: 'no', message: 'no', retry: false })],
    ['a host that is busy', new Refusal('busy', 'send it again later')],
    ['a bug of ours', new Error('ours')],
  ])('%s', (_what, error) => {
    const on = scene()
    for (let at = 0; at < 2 * FAULTS_FREE; at++) {
      on.enter()
      on.end(error)
    }
    on.enter()
    expect(on.begun).toHaveLength(1)
  })

  test('a try that never began is followed by the next at once', () => {
    const on = scene()
    failOften(on, FAULTS_FREE)
    on.enter()
    on.enter()
    vi.advanceTimersByTime(BACKOFF_MS)
    on.end(new Refusal('busy', 'send it again later'))
    expect(on.begun).toHaveLength(1)
    expect(on.backoff.length).toBe(0)
  })
})
