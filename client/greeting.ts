/** Messages before there is a session: one is sent, and one of a given kind is waited for. */
import { verifyProfile, type Profile } from '#host/contracts/profile.ts'
import { Refusal } from '#host/errors.ts'
import { buildSubject, type Subject } from '#host/wire/subject.ts'
import type { Lanes } from './lanes.ts'
import type { Surroundings, Transport } from './transport.ts'

/** A vault as an invitation names it. */
export interface Invitation {
  readonly vault: string
  readonly connection: string
  /** 32 bytes: the vault's fingerprint, from a channel that the broker is not. */
  readonly identity: Uint8Array
}

/** How long a vault may stay silent, in milliseconds; for ever if it is not said. */
export interface Patience {
  readonly patienceMs?: number
}

/** How long an unsealed question may go unanswered before it is asked again. */
const AGAIN_MS = 1_000

/**
 * Sends `data` on `outward` until `accept` takes what comes on `inward`. Bytes that `accept` throws a Refusal for are
 * somebody else's noise.
 *
 * @throws Refusal `bus-unavailable` when patience was said and is over
 */
export async function exchange<T>(
  transport: Transport,
  message: { outward: Subject; inward: Subject; data: Uint8Array; durable: boolean } & Patience,
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
  const over = message.patienceMs === undefined ? undefined : setTimeout(giveUp, message.patienceMs)
  function giveUp(): void {
    reject(
      new Refusal(
        'bus-unavailable',
        `vault ${message.outward.vault} does not answer: no host runs it, or it does not know this device`,
      ),
    )
  }
  const again = message.durable ? undefined : setInterval(() => void send(), AGAIN_MS)
  try {
    await send()
    return await promise
  } finally {
    clearInterval(again)
    clearTimeout(over)
    await subscription.drain()
  }
}

/** The vault's signed profile, checked against the fingerprint. */
export function fetchProfile(
  lanes: Lanes,
  identity: Uint8Array,
  options: Pick<Surroundings, 'crypto'> & { readonly transport: Transport } & Patience,
): Promise<Profile> {
  const type = 'profile.get'
  const between = { outward: lanes.outward(type), inward: lanes.inward(type) }
  const message = { ...options, ...between, data: new Uint8Array(0), durable: false }
  return exchange(options.transport, message, (data) => verifyProfile(options.crypto, data, identity))
}
