/** What credentials cost: a proof and a check on the proving thread, and what a service pays to verify. */
import { randomBytes } from 'node:crypto'

import { openIssuer } from '#client/issuer.ts'
import { openProver } from '#host/crypto/bbs-thread.ts'
import { decodeCredential, signedOf } from '#host/crypto/credential.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { disclosureOf, encodePresentation, verifyPresentation } from '#host/crypto/presentation.ts'
import { measure } from './measure.ts'
import { judged, type Report } from './report.ts'

const MS = 3_000
const CLAIMS = 10

export async function credentialProof(): Promise<Report> {
  await using prover = openProver()
  const issuer = openIssuer(nativeCrypto, new Uint8Array(32).fill(1))
  const claims = Array.from({ length: CLAIMS }, (_, at) => [`claim_${at}`, `value ${at}`] as const)
  const credential = decodeCredential(issuer.issue({ kind: 'bench', expires: null, claims }))
  const to = { audience: new Uint8Array(32), nonce: new Uint8Array(randomBytes(16)) }
  const disclosure = disclosureOf(credential, { names: ['claim_3'], ...to })
  const presentation = encodePresentation(credential, { ...disclosure, proof: await prover.prove(disclosure) })
  const { proving, checking, verifying } = await measure({
    proving: { run: () => prover.prove(disclosure), ms: MS },
    checking: { run: () => prover.verify(signedOf(credential)), ms: MS },
    verifying: {
      run: async () =>
        verifyPresentation(nativeCrypto, presentation, { ...to, issuers: [issuer.name], claims: ['claim_3'], now: 0 }),
      ms: MS,
    },
  })
  return {
    title: `   Credentials: one claim of ${CLAIMS}`,
    lines: [
      judged('a proof, on the proving thread', { value: proving.medianUs / 1_000, unit: 'ms' }),
      judged('a credential that is added, checked there', { value: checking.medianUs / 1_000, unit: 'ms' }),
      judged('a presentation that a service verifies', { value: verifying.medianUs / 1_000, unit: 'ms' }),
      judged('a presentation', { value: presentation.length, unit: 'B' }),
    ],
  }
}
