import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { Refusal } from '#host/errors.ts'
import { FILTER_CHARS_MAX, FILTER_TERMS_MAX } from './limits.ts'
import { compileFilter, filterParts, type ViewTable } from './view-filter.ts'
import { searchQuery } from './view-statements.ts'

const table = fc.constantFrom<ViewTable>('items', 'audit')
/** Lines like filters, and lines that try to be more. */
const piece = fc.oneof(
  fc.constantFrom('namespace', 'key', 'category', 'text', 'size', 'updated', 'who', 'at', 'row', 'sqlite_master'),
  fc.constantFrom(':', '~', '<', '<=', '>', '>=', '-', ' ', '"', '\\', "'", ';', '--', '/*', ')', '?', '%', '_', '\0'),
  fc.constantFrom(
    "' OR 1=1 --",
    '"; DROP TABLE items; --',
    '") OR (1',
    '1) UNION SELECT * FROM audit',
    '2026-01-31',
    '7',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
const line = fc.array(piece, { maxLength: 20 }).map((parts) => parts.join(''))

test('whatever is typed compiles to fixed parts with as many values as question marks, or is refused', () => {
  let accepted = 0
  fc.assert(
    fc.property(line, table, (filter, name) => {
      try {
        const condition = compileFilter(filter, name)
        const known = filterParts(name)
        for (const part of condition.parts) expect(known).toContain(part)
        const { sql, values } = searchQuery(name, { condition, after: undefined, limit: 1 })
        expect(sql.split('?').length - 1).toBe(values.length)
        accepted += 1
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        expect(error.code).toBe('filter-invalid')
      }
    }),
    { numRuns: 20_000 },
  )
  expect(accepted).toBeGreaterThan(1_000)
})

test('any text can be looked for, quoted', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), (text) => {
      fc.pre(text.isWellFormed())
      const quoted = `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
      expect(compileFilter(`key~${quoted}`, 'items').values).toEqual([text])
    }),
  )
})

describe('a filter', () => {
  test('is terms that all hold', () => {
    const { parts, values } = compileFilter('category:receipts -size>=10 updated<2026-01-31 invoice', 'items')
    expect(parts).toHaveLength(4)
    expect(values).toEqual(['receipts', 10, Date.UTC(2026, 0, 31), 'invoice', 'invoice', 'invoice', 'invoice'])
  })

  test.each([
    ['who:acme', 'there is no column who'],
    ['size~7', 'size is a number'],
    ['size:7.5', 'whole number'],
    ['updated:soon', 'a day like'],
    ['updated:2026-02-99', 'a day like'],
    ['key<a', 'key is text'],
    ['key:"open', 'character 1'],
    ['key:"a"b', 'character 1'],
    ['a '.repeat(FILTER_TERMS_MAX + 1), `over ${FILTER_TERMS_MAX} terms`],
    ['a'.repeat(FILTER_CHARS_MAX + 1), `over ${FILTER_CHARS_MAX}`],
    ['\ud800', 'well-formed'],
  ])('%j is refused', (filter, says) => {
    expect(() => compileFilter(filter, 'items')).toThrow(expect.objectContaining({ code: 'filter-invalid' }))
    expect(() => compileFilter(filter, 'items')).toThrow(says)
  })
})
