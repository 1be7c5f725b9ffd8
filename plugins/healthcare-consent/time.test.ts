import { expect, test } from 'vitest'

import { isDay, spanOf } from './time.ts'

test('a day is all of it, in UTC; a second all of it; a millisecond itself', () => {
  const midnight = Date.UTC(2027, 0, 15)
  expect(spanOf('2027-01-15')).toEqual({ from: midnight, to: midnight + 86_400_000 })
  expect(spanOf('2027-01-15T00:00:00Z')).toEqual({ from: midnight, to: midnight + 1_000 })
  expect(spanOf('2027-01-15T01:00:00.5+01:00')).toEqual({ from: midnight + 500, to: midnight + 600 })
  expect(spanOf('2027-01-14T23:30:00.001-00:30')).toEqual({ from: midnight + 1, to: midnight + 2 })
})

const noTimes =
  '2027,2027-01,2027-02-29,2027-13-01,2027-01-15T00:00Z,2027-01-15T00:00:00,,tomorrow,2027-01-15T24:00:00Z,' +
  '2027-01-15T00:60:00Z,2027-01-15T00:00:60Z,2027-01-15T00:00:00+14:01,2027-01-15T00:00:00+01:60,' +
  '2027-01-15T00:00:00.1234Z,2027-01-15 00:00:00Z,12027-01-15,2027-02-30T00:00:00Z'

test.each(noTimes.split(','))('%s is no time that is understood', (text) => expect(spanOf(text)).toBeUndefined())

test('the day of a leap year is a day, and an instant is none', () => {
  expect(isDay('2028-02-29')).toBe(true)
  expect(isDay('2027-02-29')).toBe(false)
  expect(isDay('2027-01-15T00:00:00Z')).toBe(false)
})
