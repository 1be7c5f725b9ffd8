/** Messages before there is a session: one is sent, and one of a given kind is waited for. */
import { verifyProfile, type Profile } from '#host/contracts/profile.ts'
import { Refusal } from '#host/errors.ts'
import { buildSubject, type Subject } from '#host/wire/subject.ts'
import type { Lanes } from './lanes.ts'
import type { Transport } from './transport.ts'

/** A vault as an invitation names it. */
export interface Invitation {
  readonly vault: string
  readonly connection: string
  /** 32 bytes: the vault's fingerprint, from a channel that the broker is not. */
  readonly identity: Uint8Array
}

/** How long an unsealed question may go unanswered before it is asked again. */
const AGAIN_MS = 1_000

/**
 * Sends `data` on `outward` until `accept` takes what comes on `inward`. Bytes that `accept` throws a Refusal for are
 * somebody else's noise.
 */
export async function exchange<T>(
  transport: Transport,
  message: { outward: Subject; inward: Subject; data: Uint8Array; durable: boolean },
  accept: (data: Uint8Array) => T,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const inward = buildSubject(message.inward)
  const subscription = await transport.subscribe(inward, ({ data }) => {
    try {
      resolve(accept(data))
    } catch (error) {
      if (!(error instanceof Refusal)) reject(error)
    }
  })
  const send = () => transport.publish(buildSubject(message.outward), message.data, { durable: message.durable })
  const again = message.durable ? undefined : setInterval(() => void send(), AGAIN_MS)
  try {
    await send()
    return await promise
  } finally {
    clearInterval(again)
    await subscription.drain()
  }
}

/** The vault's signed profile, checked against the fingerprint. */
export function fetchProfile(transport: Transport, lanes: Lanes, identity: Uint8Array): Promise<Profile> {
  const type = 'profile.get'
  const message = { outward: lanes.outward(type), inward: lanes.inward(type), data: new Uint8Array(0), durable: false }
  return exchange(transport, message, (data) => verifyProfile(data, identity))
}
