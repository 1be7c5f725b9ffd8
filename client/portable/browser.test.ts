import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { edgesOf, readTree } from '../../scripts/tidy/tree.ts'

test.each([
  'client/portable/provider.ts',
  'client/entries/book.ts',
  'client/entries/recovery.ts',
  'client/entries/frames.ts',
])('%s reaches nothing that only Node has', (start) => {
  const edges = edgesOf(readTree(fileURLToPath(new URL('../../', import.meta.url))))
  const reached = new Set([start])
  for (const path of reached) {
    for (const { from, to, specifier } of edges) {
      if (from !== path) continue
      expect(specifier, `${from} imports`).not.toMatch(/^node:/)
      if (to.kind === 'file') reached.add(to.path)
    }
  }
  expect(reached.size).toBeGreaterThan(3)
})
