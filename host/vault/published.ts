/** What a vault remembers of the manifests it last told of. */
import { publishedEvents } from '#host/contracts/offer.ts'
import { digest } from '#host/crypto/kdf.ts'
import type { Change } from '#host/storage/port.ts'
import { encodeRecord, type PublishedRecord } from './records.ts'

/** Where the memory is kept, in the `system` namespace. */
export const PUBLISHED_KEY = 'published'

/** The manifests that connections see: made once, for all vaults of a host. */
export interface Published {
  /** As JSON, for profiles. */
  readonly text: string
  /** Each event type by what a connection can see of it. */
  readonly events: PublishedRecord['events']
}

/** @param text published manifests as JSON */
export function publishedOf(text: string): Published {
  const bytes = new TextEncoder()
  const events = publishedEvents(text).map((event) => {
    const hash = digest('vine/1 published event', bytes.encode(JSON.stringify(event)))
    return [event.type, { version: event.version, permission: event.permission, hash: hash.toHex() }] as const
  })
  return { text, events: Object.fromEntries(events) }
}

/** The change that remembers what connections were told. */
export function publishedChange({ events }: Published): Change {
  return { namespace: 'system', key: PUBLISHED_KEY, value: encodeRecord('published', { events }) }
}
