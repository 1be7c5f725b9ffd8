/** The provider of Node: OpenSSL, with secrets in `KeyObject`s. */
import { argon2, hkdfSync } from 'node:crypto'

import { openAead, sealAead } from './aead.ts'
import { digest, nativeSecret } from './kdf.ts'
import { encapsulate, generateKemKey } from './kem.ts'
import { nativeEvidence } from './p384.ts'
import type { HashPassphrase, Suite } from './port.ts'
import { generateSigningKey, verify } from './sign.ts'
import { DIGEST_BYTES } from './sizes.ts'

/** On another thread. */
const hashPassphrase: HashPassphrase = ({ passphrase, salt, memoryKiB, passes, lanes }) => {
  const cost = { memory: memoryKiB, passes, parallelism: lanes, tagLength: DIGEST_BYTES }
  return new Promise((resolve, reject) => {
    argon2('argon2id', { message: passphrase, nonce: salt, ...cost }, (error, tag) => {
      if (error) reject(error)
      else resolve(new Uint8Array(tag))
    })
  })
}

export const nativeCrypto: Suite = {
  digest,
  secret: nativeSecret,
  derive: ({ salt, input, info, length }) => new Uint8Array(hkdfSync('sha256', input, salt, info, length)),
  seal: (context, plaintext) => sealAead(context.key, context, plaintext),
  open: (context, sealed) => openAead(context.key, context, sealed),
  verify,
  encapsulate,
  signingKey: generateSigningKey,
  openingKey: generateKemKey,
  hashPassphrase,
  evidence: nativeEvidence,
}
