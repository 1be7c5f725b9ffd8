/** Finds the vaults that ours connect to: asks for their profiles, then says hello until their owners have decided. */
import { Refusal } from './errors.ts'
import { HELLO_AGAIN_MS, PROFILE_AGAIN_MS } from './limits.ts'
import type { Bus, Subscription } from './messaging/port.ts'
import { verifyProfile, type Profile } from './contracts/profile.ts'
import { dialing, type Dialing, dialLane, giveUp, sayHello } from './vault/dial.ts'
import { publish } from './vault/publish.ts'
import type { Vault } from './vault/vault.ts'

export interface Dialer {
  /** One round over what a vault dials. */
  round(vault: Vault, moment: { now: number; random: (length: number) => Uint8Array }): Promise<void>
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
        if (identity) made.profile ??= verifyProfile(data, identity)
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

  return {
    async round(vault, moment) {
      const { now } = moment
      const send = async (letters: Parameters<typeof publish>[0]) => publish(letters, { bus, outbox: vault.outbox })
      for (const dialed of dialing(vault)) {
        const key = `${vault.id}/${dialed.connection.id}`
        const ended = await giveUp(vault, dialed, moment)
        await send(ended)
        if (dialed.hello) {
          if ((greeted.get(key) ?? -HELLO_AGAIN_MS) + HELLO_AGAIN_MS > now) continue
          greeted.set(key, now)
          await send([letter(dialLane(dialed, 'fromService', 'connection.hello'), dialed.hello)])
          continue
        }
        const made = await call(key, dialed)
        if (made.profile) {
          greeted.set(key, now)
          await send(await sayHello(vault, dialed, { ...moment, profile: made.profile }))
          await hangUp(key)
        } else if (made.askedAt + PROFILE_AGAIN_MS <= now) {
          made.askedAt = now
          await send([letter(dialLane(dialed, 'fromService', 'profile.get'), new Uint8Array(0))])
        }
      }
    },
    async drain() {
      for (const key of [...calls.keys()]) await hangUp(key)
    },
  }
}

/** Nobody keeps it: the next round sends it again. */
function letter(subject: string, envelope: Uint8Array): Parameters<typeof publish>[0][number] {
  return { key: '', subject, envelope }
}
