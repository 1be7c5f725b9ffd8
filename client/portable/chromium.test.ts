/** The device's part in a real browser: every vector, a story of two devices, and the verdict on every document. */
import { warn } from 'node:console'

import { expect, test } from 'vitest'

import { encodeInput, type PageReport, run } from '../../scripts/browser-page.ts'
import { bundlePage, findChromium, NO_CHROMIUM, runPage } from '../../scripts/chromium.ts'
import { pageInput } from './page.fixture.ts'

const PAGE = 'scripts/browser-page.ts'
const input = await pageInput()
const chromium = await findChromium()
const failures = ({ checks }: PageReport) => checks.filter(({ error }) => error !== null)

test('Node passes what the page checks', { timeout: 120_000 }, async () => {
  const report = await run(encodeInput(input))
  expect(failures(report)).toEqual([])
  expect(report.checks.length).toBeGreaterThan(100)
})

test('a check that fails is reported', { timeout: 120_000 }, async () => {
  const { vectors, documents, proof, releaseKeys } = input
  const { ids } = vectors
  const [first] = documents
  if (!first) throw new Error('there are documents')
  const wrong = {
    ...input,
    vectors: { ...vectors, ids: { ...ids, user: '00' } },
    documents: [{ ...first, verdict: 'too-old' }],
    proof: { ...proof, roots: { ...proof.roots, software: [] } },
    releaseKeys: releaseKeys.slice(1),
  }
  const failed = failures(await run(encodeInput(wrong))).map(({ name }) => name)
  expect(failed).toEqual([
    'entries: makes keys, ids and frames',
    'entries: walks the directory',
    'evidence: too-old: of indefinite length',
    'proof bundle',
    'release log: followed as it grows, and not back',
  ])
})

test('the page holds nothing of Node', async () => {
  expect(await bundlePage(PAGE)).not.toMatch(/\bnode:|\brequire\(|\bBuffer\./)
  await expect(bundlePage('scripts/entry-vectors.ts')).rejects.toThrow('still imports node:')
})

if (chromium === undefined) {
  warn(`not run: entries, recovery and evidence in a browser (${NO_CHROMIUM})`)
  test.skip(`headless Chromium: ${NO_CHROMIUM}`, () => {})
} else {
  test('Chromium passes what Node passes', { timeout: 180_000 }, async () => {
    const code = await bundlePage(PAGE)
    const report = (await runPage({ chromium, code, input: encodeInput(input) })) as PageReport
    expect(report).toMatchObject({ browser: expect.stringContaining('Chrome/') })
    expect(failures(report)).toEqual([])
    expect(report.checks).toHaveLength(input.documents.length + 9)
  })
}
