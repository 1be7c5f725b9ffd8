import { afterEach, expect, test } from 'vitest'

import { grant } from '../sdk/memory/world.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { handle } from './handler.ts'

const fields = { name: 'Alice', email: 'alice@example.org', 'shipping-address': '1 Garden Row — Übach' }

afterEach(() => grant({}))

test('answers several fields at once, and only those asked for', () => {
  grant({ fields })
  expect(ask({ fields: ['name', 'shipping-address'] })).toEqual({
    fields: { name: 'Alice', 'shipping-address': '1 Garden Row — Übach' },
  })
})

test('a field that was not admitted and one the owner does not keep are refused alike', () => {
  grant({ fields })
  for (const name of ['date-of-birth', 'no-such-field', 'toString']) {
    expect(() => ask({ fields: ['name', name] })).toThrow(
      expect.objectContaining({ code: 'field-unavailable', message: `${name} is not available`, retry: false }),
    )
  }
})

test('a field may have any name', () => {
  grant({ fields: Object.fromEntries([['__proto__', 'x']]) })
  expect(JSON.stringify(ask({ fields: ['__proto__'] }))).toBe('{"fields":{"__proto__":"x"}}')
})

function ask(request: unknown): unknown {
  const outcome = handle(encodeUtf8(JSON.stringify(request)))
  if (outcome.tag !== 'reply') throw new Error('no reply')
  return JSON.parse(new TextDecoder().decode(outcome.val))
}
