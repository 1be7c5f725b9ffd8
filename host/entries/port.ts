/** The cryptography that entries need. */
import type { Suite } from '#host/crypto/port.ts'

export type EntryCrypto = Pick<Suite, 'digest' | 'derive' | 'seal' | 'open' | 'verify' | 'encapsulate'>
