/** The AWS Nitro Enclaves attestation document (aws-nitro-enclaves-nsm-api, attestation_process.md §2). */
import { P384_SIGNATURE_BYTES } from '#host/crypto/evidence-port.ts'

import { badField, type Envelope, type NitroEvidence, readClaims, refuseOtherFields } from './evidence.ts'
import { Rejection } from './errors.ts'
import type { Foreign } from './foreign-cbor.ts'
import { CERTIFICATE_BYTES_MAX, CHAIN_CERTIFICATES_MAX, MODULE_ID_CHARS_MAX } from './limits.ts'

/** {1: -35}: ES384, alone. */
export const NITRO_HEADER = Uint8Array.fromHex('a1013822')

/** SHA-256 of `AWS_NitroEnclaves_Root-G1` (DER), for aws.amazon.com; GovCloud and China have roots of their own. */
export const AWS_NITRO_ROOT = '641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b'

const FIELDS = [
  'module_id',
  'digest',
  'timestamp',
  'pcrs',
  'certificate',
  'cabundle',
  'public_key',
  'user_data',
  'nonce',
]

/** @throws Rejection `evidence-field`, `evidence-nitro-tpm` for an instance's document, which has the same root */
export function decodeNitro({ payload, message, signature }: Envelope): NitroEvidence {
  if (payload.has('nitrotpm_pcrs')) {
    throw new Rejection('evidence-nitro-tpm', 'evidence: is of a NitroTPM, which measures an instance and no enclave')
  }
  refuseOtherFields(payload, FIELDS)
  const moduleId = payload.get('module_id')
  if (typeof moduleId !== 'string' || moduleId === '' || moduleId.length > MODULE_ID_CHARS_MAX) {
    throw badField('module_id')
  }
  if (payload.get('digest') !== 'SHA384') throw badField('digest')
  if (signature.length !== P384_SIGNATURE_BYTES) throw badField('signature')
  const bundle = payload.get('cabundle')
  if (!Array.isArray(bundle) || bundle.length === 0 || bundle.length > CHAIN_CERTIFICATES_MAX)
    throw badField('cabundle')
  return {
    kind: 'nitro',
    hardware: true,
    moduleId,
    chain: {
      leaf: readCertificate(payload.get('certificate'), 'certificate'),
      bundle: bundle.map((entry: Foreign) => readCertificate(entry, 'cabundle')),
    },
    claims: readClaims(payload),
    message,
    signature,
  }
}

function readCertificate(value: Foreign | undefined, name: string): Uint8Array {
  if (value instanceof Uint8Array && value.length > 0 && value.length <= CERTIFICATE_BYTES_MAX) return value
  throw badField(name)
}
