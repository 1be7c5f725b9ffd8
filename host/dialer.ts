/** Finds the vaults that ours connect to: asks for their profiles, then says hello until their owners have decided. */
import { nativeCrypto } from '#host/crypto/native.ts'

import { Refusal } from './errors.ts'
import { HELLO_AGAIN_MS, PROFILE_AGAIN_MS } from './limits.ts'
import type { Bus, Subscription } from './messaging/port.ts'
import { verifyProfile, type Profile } from './contracts/profile.ts'
import { dialing, type Dialing, dialLane, giveUp, sayHello } from './vault/dial.ts'
import type { Letter } from './vault/outbox.ts'
import { publish } from './vault/publish.ts'
import type { Vault } from './vault/vault.ts'

interface Moment {
  readonly now: number
  readonly random: (length: number) => Uint8Array
}

export interface Dialer {
  /** One round over what a vault dials. */
  round(vault: Vault, moment: Moment): Promise<void>
  drain(): Promise<void>
}

/** One vault that is being asked for its profile. */
interface Call {
  readonly subscription: Subscription
  profile: Profile | undefined
  askedAt: number
}

export function openDialer(bus: Bus): Dialer {
  const calls = new Map<string, Call>()
  const greeted = new Map<string, number>()

  /** Listens before it asks. Whoever answers something else than the vault of the invitation is not heard. */
  async function call(key: string, dialed: Dialing): Promise<Call> {
    const known = calls.get(key)
    if (known) return known
    const { identity } = dialed.peer
    const subscription = await bus.subscribe(dialLane(dialed, 'forService', 'profile.get'), ({ data }) => {
      try {
        if (identity) made.profile ??= verifyProfile(nativeCrypto, data, identity)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
      }
    })
    const made: Call = { subscription, profile: undefined, askedAt: -PROFILE_AGAIN_MS }
    calls.set(key, made)
    return made
  }

  async function hangUp(key: string): Promise<void> {
    const { subscription } = calls.get(key) ?? {}
    calls.delete(key)
    await subscription?.drain()
  }

  /** One step towards an answer: whatever the bus does not take now is tried again in the next round. */
  async function step(vault: Vault, dialed: Dialing, moment: Moment): Promise<readonly Letter[]> {
    const key = `${vault.id}/${dialed.connection.id}`
    const { now } = moment
    const ended = await giveUp(vault, dialed, moment)
    if (ended.length > 0 || dialed.connection.record.status !== 'dialing') return ended
    if (dialed.hello) {
      if ((greeted.get(key) ?? -HELLO_AGAIN_MS) + HELLO_AGAIN_MS > now) return []
      greeted.set(key, now)
      return [letter(dialLane(dialed, 'fromService', 'connection.hello'), dialed.hello)]
    }
    const made = await call(key, dialed)
    if (made.profile) {
      greeted.set(key, now)
      await hangUp(key)
      return sayHello(vault, dialed, { ...moment, profile: made.profile })
    }
    if (made.askedAt + PROFILE_AGAIN_MS > now) return []
    made.askedAt = now
    return [letter(dialLane(dialed, 'fromService', 'profile.get'), new Uint8Array(0))]
  }

  return {
    async round(vault, moment) {
      const dialed = dialing(vault)
      for (const one of dialed) {
        const letters = await step(vault, one, moment).catch(notNow)
        await publish(letters, { bus, outbox: vault.outbox })
      }
      const wanted = new Set(dialed.map(({ connection }) => `${vault.id}/${connection.id}`))
      const over = (key: string) => key.startsWith(`${vault.id}/`) && !wanted.has(key)
      for (const key of [...calls.keys()].filter(over)) await hangUp(key)
      for (const key of [...greeted.keys()].filter(over)) greeted.delete(key)
    },
    async drain() {
      for (const key of calls.keys()) await hangUp(key)
    },
  }
}

/** A bus that is away takes no subscription either. */
function notNow(error: unknown): readonly Letter[] {
  if (error instanceof Refusal && error.code === 'bus-unavailable') return []
  throw error
}

/** Nobody keeps it: the next round sends it again. */
function letter(subject: string, envelope: Uint8Array): Letter {
  return { key: '', subject, envelope }
}
