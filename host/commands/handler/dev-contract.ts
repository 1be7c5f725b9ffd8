/** What the service of `trellis handler dev` asks for: everything the manifest and its cases speak of. */
import type { Contract, ContractField } from '#host/contracts/contract.ts'
import { CONTRACT_FIELDS_MAX, DEV_REQUESTS_PER_HOUR, DEV_STORAGE_BYTES } from '#host/limits.ts'
import type { Manifest } from '#host/plugin/manifest.ts'
import { requestFields } from '#host/plugin/registry.ts'
import type { Case } from './cases.ts'

/** What a contract says of a handler, without who signs it and when. */
export type Terms = Pick<Contract, 'fields' | 'permissions' | 'limits'>

export function termsOf(manifest: Manifest, cases: readonly Case[]): Terms {
  const { events, needs } = manifest
  return {
    fields: fieldNames(manifest, cases).slice(0, CONTRACT_FIELDS_MAX).map(onDemand),
    permissions: {
      events: events.map(({ type }) => type),
      store: needs.namespaces.connection === undefined ? null : { categories: ['dev'], bytesMax: DEV_STORAGE_BYTES },
      messages: true,
      authentication: true,
      payment: true,
    },
    limits: { requestsPerHour: DEV_REQUESTS_PER_HOUR, storageBytes: DEV_STORAGE_BYTES },
  }
}

/** What the owner keeps: of each field the first value that a case gives it. */
export function fieldsOf(cases: readonly Case[]): ReadonlyMap<string, string> {
  const entries = cases.flatMap(({ given }) => Object.entries(given.fields))
  return new Map(entries.toReversed())
}

function fieldNames({ events }: Manifest, cases: readonly Case[]): string[] {
  const asked = cases.flatMap(({ event, request }) => {
    const declared = events.find(({ type }) => type === event)
    return declared === undefined ? [] : (requestFields(declared, request) ?? [])
  })
  return [...new Set([...asked, ...fieldsOf(cases).keys()])].sort()
}

function onDemand(name: string): ContractField {
  return { name, tier: 'on-demand', purpose: 'to try the handler', retention: { kind: 'until-revoked' } }
}
