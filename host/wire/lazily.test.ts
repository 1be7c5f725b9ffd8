import { expect, test, vi } from 'vitest'

import { lazily } from './lazily.ts'

test('is made when it is asked for, once', () => {
  const make = vi.fn(() => ({}))
  const get = lazily(make)
  expect(make).not.toHaveBeenCalled()
  expect(get()).toBe(get())
  expect(make).toHaveBeenCalledTimes(1)
})

test('is tried again when it could not be made', () => {
  const make = vi
    .fn(() => 1)
    .mockImplementationOnce(() => {
      throw new Error('not yet')
    })
  const get = lazily(make)
  expect(get).toThrow('not yet')
  expect(get()).toBe(1)
})
