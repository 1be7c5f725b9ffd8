/** Contracts for tests. */
import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'

import type { Contract, ContractField, Tier } from './contract.ts'

export const publisher: SigningKey = generateSigningKey(new Uint8Array(64).fill(7))

export const NOW = 1_700_000_000_000

export function fieldOf(name: string, tier: Tier, rest: Partial<ContractField> = {}): ContractField {
  return { name, tier, purpose: `to use ${name}`, retention: { kind: 'until-revoked' }, ...rest }
}

/** One field of each tier, and every permission given. */
export function contractOf(changes: Partial<Contract> = {}): Contract {
  return {
    service: {
      name: 'Acme Retail',
      identity: identityId(nativeCrypto, publisher.publicKey),
      links: { terms: 'https://acme.example/terms' },
    },
    id: 'acme-orders',
    version: 1,
    publishedAt: NOW,
    fields: [
      fieldOf('email', 'required'),
      fieldOf('phone', 'optional', { retention: { kind: 'session' } }),
      fieldOf('shipping_address', 'on-demand', { retention: { kind: 'days', days: 30 } }),
      fieldOf('date_of_birth', 'consent'),
    ],
    permissions: {
      events: ['data.request', 'auth.challenge'],
      store: { categories: ['receipts'], bytesMax: 1_000 },
      messages: true,
      authentication: true,
      payment: true,
    },
    limits: { requestsPerHour: 100, storageBytes: 10_000 },
    ...changes,
  }
}
