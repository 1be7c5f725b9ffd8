import { expect, test } from 'vitest'

import { CALL_WAITS_MAX, NEXT_CALL_PAUSES } from './limits.ts'
import { openPatience } from './patience.ts'

test('it is over as soon as it came, and otherwise after as many looks as the limit says', () => {
  let pauses = 0
  const patience = openPatience(() => void (pauses += 1))
  expect(patience.awaits(() => pauses === 3)).toBe(true)
  expect(pauses).toBe(3)
  expect(patience.awaits(() => false)).toBe(false)
  expect(pauses).toBe(3 + NEXT_CALL_PAUSES)
})

test('an event for which it was in vain often enough is not waited for again', () => {
  let looks = 0
  const patience = openPatience(() => undefined)
  const never = (): boolean => ((looks += 1), false)
  for (let turn = 0; turn < CALL_WAITS_MAX; turn++) expect(patience.awaits(never)).toBe(false)
  expect(looks).toBe(CALL_WAITS_MAX * NEXT_CALL_PAUSES)
  expect(patience.awaits(() => true)).toBe(false)
  expect(looks).toBe(CALL_WAITS_MAX * NEXT_CALL_PAUSES)
})
