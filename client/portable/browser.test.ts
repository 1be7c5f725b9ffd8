import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { edgesOf, isTest, readTree } from '../../scripts/tidy/tree.ts'

const tree = readTree(fileURLToPath(new URL('../../', import.meta.url)))
const edges = edgesOf(tree)
const clients = [...tree.sources.keys()].filter((path) => path.startsWith('client/') && !isTest(path))

test('there are clients', () => {
  expect(clients).toEqual(expect.arrayContaining(['client/owner.ts', 'client/sealing.ts', 'client/service.ts']))
})

test.each([
  ...clients,
  'enclave/verify.ts',
  'enclave/policy.ts',
  'enclave/proof.ts',
  'enclave/release-log.ts',
  'enclave/revoked.ts',
  'host/crypto/portable.ts',
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
})
