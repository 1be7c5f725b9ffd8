/**
 * Why evidence is not believed or not accepted. A list of its own beside the host's refusals: a device that verifies
 * an enclave acts on these codes, and a vault never answers with one.
 */

/** Every rejection there is. A code is a promise to its reader: it never changes its meaning. */
export const rejectionCodes = [
  // decode: what it says cannot be read
  'evidence-too-large',
  'evidence-malformed',
  'evidence-algorithm',
  'evidence-field',
  'evidence-nitro-tpm',
  // verify: who signed it is not who may
  'root-unknown',
  'certificate-malformed',
  'certificate-algorithm',
  'certificate-extension',
  'certificate-expired',
  'certificate-issuer',
  'certificate-signature',
  'certificate-not-ca',
  'certificate-path-length',
  'certificate-key-usage',
  'certificate-revoked',
  'leaf-constraints',
  'key-unknown',
  'evidence-signature',
  // judge: genuine, and not what was asked for
  'kind-refused',
  'debug-mode',
  'too-old',
  'from-the-future',
  'register-mismatch',
  'measurement-unknown',
  'nonce-mismatch',
  'user-data-mismatch',
  'public-key-mismatch',
  // what the judge was given
  'policy-invalid',
  // a connection's proof bundle
  'proof-malformed',
  'proof-mismatch',
  // a provider's release log
  'release-malformed',
  'release-unsigned',
  'release-order',
  'log-behind',
  'log-forked',
  'release-unlisted',
  'release-older',
  'author-mismatch',
  // an enclave image file
  'eif-malformed',
] as const

export type RejectionCode = (typeof rejectionCodes)[number]

/** An expected no to evidence. The message is lower case and says what was found. */
export class Rejection extends Error {
  override readonly name = 'Rejection'
  readonly code: RejectionCode

  constructor(code: RejectionCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
