/** Bodies of events: JSON in UTF-8. */
import { decodeUtf8, encodeUtf8 } from './utf8.ts'

/** The request. Its shape is the manifest's request schema: the host has checked it. */
export function parseJson(body: Uint8Array): unknown {
  return JSON.parse(decodeUtf8(body)) as unknown
}

/** An outcome that replies with this value. The host checks it against the manifest's reply schema. */
export function reply(value: unknown): { tag: 'reply'; val: Uint8Array } {
  return { tag: 'reply', val: encodeUtf8(JSON.stringify(value)) }
}
