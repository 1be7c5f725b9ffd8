/** What a device pays to check an enclave's evidence: decode, verify the chain and the signature, judge. */
import { AT_MS, makeDocument, makePki, POLICY } from '../enclave/pki.fixture.ts'
import { judgeEvidence } from '../enclave/policy.ts'
import { decodeEvidence, verifyEvidence } from '../enclave/verify.ts'
import { nativeEvidence } from '../host/crypto/p384.ts'
import { measure } from './measure.ts'
import { judged, type Report } from './report.ts'

const MS = 3_000

export async function evidenceCheck(): Promise<Report> {
  const pki = makePki()
  const document = makeDocument(pki)
  const { nitro } = await measure({
    nitro: {
      run: async () =>
        judgeEvidence(verifyEvidence(nativeEvidence, decodeEvidence(document), pki.roots), POLICY, { nowMs: AT_MS }),
      ms: MS,
    },
  })
  return {
    title: '   Evidence: a Nitro document with five certificates',
    lines: [
      judged('decode, verify and judge', { value: nitro.medianUs / 1_000, unit: 'ms', most: 8 }),
      judged('p99', { value: nitro.p99Us / 1_000, unit: 'ms' }),
    ],
  }
}
