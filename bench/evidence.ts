/** What a device pays to check an enclave's evidence: decode, verify the chain and the signature, judge. */
import { encodeInput, type PageReport } from '../scripts/browser-page.ts'
import { bundlePage, findChromium, NO_CHROMIUM, runPage } from '../scripts/chromium.ts'
import { pageInput } from '../client/portable/page.fixture.ts'
import { AT_MS, makeDocument, makePki, POLICY } from '../enclave/pki.fixture.ts'
import { judgeEvidence } from '../enclave/policy.ts'
import { decodeEvidence, verifyEvidence } from '../enclave/verify.ts'
import type { EvidenceCrypto } from '../host/crypto/evidence-port.ts'
import { portableEvidence } from '../host/crypto/evidence-portable.ts'
import { nativeEvidence } from '../host/crypto/p384.ts'
import { measure } from './measure.ts'
import { judged, type Report } from './report.ts'

const MS = 3_000

export async function evidenceCheck(): Promise<Report> {
  const pki = makePki()
  const document = makeDocument(pki)
  const contender = (crypto: EvidenceCrypto) => ({
    run: async () =>
      judgeEvidence(verifyEvidence(crypto, decodeEvidence(document), pki.roots), POLICY, { nowMs: AT_MS }),
    ms: MS,
  })
  const { native, portable } = await measure({
    native: contender(nativeEvidence),
    portable: contender(portableEvidence),
  })
  const browser = await inChromium()
  return {
    title: '   Evidence: a Nitro document with five certificates',
    lines: [
      judged('decode, verify and judge', { value: native.medianUs / 1_000, unit: 'ms', most: 8 }),
      judged('p99', { value: native.p99Us / 1_000, unit: 'ms' }),
      judged('portable provider, in Node', { value: portable.medianUs / 1_000, unit: 'ms' }),
      ...(browser === undefined
        ? []
        : [
            judged('portable provider, in Chromium', { value: browser.verify, unit: 'ms' }),
            judged('an entry’s version and prune, in Chromium', { value: browser.version, unit: 'ms' }),
          ]),
    ],
    notes: browser === undefined ? [`Not measured in a browser: ${NO_CHROMIUM}.`] : [],
  }
}

async function inChromium(): Promise<PageReport['ms'] | undefined> {
  const chromium = await findChromium()
  if (chromium === undefined) return undefined
  const [code, input] = [await bundlePage('scripts/browser-page.ts'), encodeInput(await pageInput())]
  const { ms } = (await runPage({ chromium, code, input })) as PageReport
  return ms
}
