/** Who plays: the owner's fields, the two services and what their contracts ask. */
import type { Contract, ContractField } from '#host/contracts/contract.ts'

export const ALICE = {
  vault: 'alice',
  device: 'phone',
  label: "Alice's phone",
  fields: {
    name: 'Alice Example',
    email: 'alice@example.org',
    shipping_address: '12 Rose Lane, 8001 Zürich',
    date_of_birth: '1990-04-01',
  },
} as const

export type ServiceName = 'acme' | 'bolt'

/** Names as their contracts give them. */
export const SERVICES: Readonly<Record<ServiceName, string>> = { acme: 'Acme Retail', bolt: 'Bolt Couriers' }

export const REQUESTS_PER_HOUR = 100

const email: ContractField = {
  name: 'email',
  tier: 'required',
  purpose: 'order confirmations',
  retention: { kind: 'until-revoked' },
}
const phone: ContractField = {
  name: 'phone',
  tier: 'optional',
  purpose: 'a call when the courier is near',
  retention: { kind: 'days', days: 30 },
}
const shipping: ContractField = {
  name: 'shipping_address',
  tier: 'on-demand',
  purpose: 'delivery of your order',
  retention: { kind: 'days', days: 90 },
}
const birth: ContractField = {
  name: 'date_of_birth',
  tier: 'consent',
  purpose: 'age check for restricted goods',
  retention: { kind: 'session' },
}
const nickname: ContractField = {
  name: 'name',
  tier: 'on-demand',
  purpose: 'the name on the parcel',
  retention: { kind: 'days', days: 90 },
}

/** What a service publishes in a version. Acme's second asks for the name, no more for the phone, and for less time. */
export function contractOf(
  service: ServiceName,
  version: number,
  about: { identity: Uint8Array; now: number },
): Contract {
  const changed =
    version === 1 ? [phone, shipping] : [{ ...shipping, retention: { kind: 'days', days: 30 } as const }, nickname]
  return {
    service: {
      name: SERVICES[service],
      identity: about.identity,
      links: { privacy: `https://${service}.example/privacy` },
    },
    id: `${service}-orders`,
    version,
    publishedAt: about.now,
    fields: service === 'acme' ? [email, ...changed, birth] : [shipping],
    permissions: {
      events: service === 'acme' ? ['data.request', 'auth.challenge', 'ride.book'] : ['data.request'],
      store: null,
      messages: false,
      authentication: service === 'acme',
      payment: false,
    },
    limits: { requestsPerHour: REQUESTS_PER_HOUR, storageBytes: 0 },
  }
}
