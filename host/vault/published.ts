/** What a vault remembers of the manifests it last told of. */
import { publishedEvents } from '#host/contracts/offer.ts'
import { digest } from '#host/crypto/kdf.ts'
import type { Change } from '#host/storage/port.ts'
import { encodeRecord, type PublishedRecord } from './records.ts'

/** Where the memory is kept, in the `system` namespace. */
export const PUBLISHED_KEY = 'published'

/** The change that remembers what connections were told. @param handlers published manifests as JSON */
export function publishedChange(handlers: string): Change {
  return { namespace: 'system', key: PUBLISHED_KEY, value: encodeRecord('published', { events: digests(handlers) }) }
}

/** Each event type by what a connection can see of it. @param handlers published manifests as JSON */
export function digests(handlers: string): PublishedRecord['events'] {
  const text = new TextEncoder()
  return Object.fromEntries(
    publishedEvents(handlers).map((event) => {
      const hash = digest('vine/1 published event', text.encode(JSON.stringify(event)))
      return [event.type, { version: event.version, permission: event.permission, hash: hash.toHex() }]
    }),
  )
}
