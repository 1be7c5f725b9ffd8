import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { edgesOf, readTree } from '../../scripts/tidy/tree.ts'

const tree = readTree(fileURLToPath(new URL('../../', import.meta.url)))
const edges = edgesOf(tree)

test.each([
  'client/portable/provider.ts',
  'client/entries/book.ts',
  'client/entries/recovery.ts',
  'client/entries/frames.ts',
  'enclave/verify.ts',
  'enclave/policy.ts',
  'enclave/proof.ts',
  'enclave/release-log.ts',
  'enclave/revoked.ts',
  'host/crypto/evidence-portable.ts',
  'scripts/browser-page.ts',
])('%s reaches nothing that only Node has', (start) => {
  const reached = new Set([start])
  for (const path of reached) {
    // Blanked code: no string, no comment.
    expect(tree.sources.get(path)?.code, `${path} names`).not.toMatch(/\b(?:Buffer|process)\b/)
    for (const { from, to, specifier } of edges) {
      if (from !== path) continue
      expect(specifier, `${from} imports`).not.toMatch(/^node:/)
      if (to.kind === 'file') reached.add(to.path)
    }
  }
  expect(reached.size).toBeGreaterThan(2)
})
