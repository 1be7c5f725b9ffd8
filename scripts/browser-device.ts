/**
 * An owner's device in a browser: the story of `device.case.ts` with the portable provider. The page carries sealed
 * bytes by asking the process that serves it, which has the bus; nothing here or below it is of Node.
 */
import { type Others, tellDevice } from '#client/portable/device.case.ts'
import type { Policy, Roots } from '#enclave/policy.ts'
import type { Transport } from '#client/transport.ts'
import { portableCrypto } from '#host/crypto/portable.ts'

/** Bytes are hexadecimal. */
export interface DeviceInput {
  readonly vault: string
  readonly identity: string
  /** The world's clock, milliseconds since the epoch. */
  readonly now: number
  readonly attestor: string
  readonly measurement: string
}

export interface DeviceReport {
  readonly browser: string
  readonly error: string | null
}

/** One message on its way to the page. */
export interface Carried {
  readonly pattern: string
  readonly subject: string
  readonly data: string
}

export async function run(text: string): Promise<DeviceReport> {
  const { vault, identity, now, attestor, measurement } = JSON.parse(text) as DeviceInput
  const roots: Roots = { nitro: [], software: [attestor], revoked: new Set() }
  const policy: Policy = { kind: 'software', measurements: [measurement], registers: new Map(), maxAgeMs: 60_000 }
  const surroundings = { crypto: portableCrypto(random), random, now: () => now }
  const about = { vault, identity: Uint8Array.fromHex(identity), roots, policy }
  try {
    await tellDevice({ ...surroundings, ...about, transport: carriedBus(), others })
    return { browser: navigator.userAgent, error: null }
  } catch (error) {
    return { browser: navigator.userAgent, error: error instanceof Error ? `${error.stack}` : String(error) }
  }
}

const random = (count: number) => globalThis.crypto.getRandomValues(new Uint8Array(count))

async function call(name: string, body = ''): Promise<string> {
  return (await fetch(`/call/${name}`, { method: 'POST', body })).text()
}

const others: Others = {
  async attach({ signing, sealing }) {
    const keys = { signing: signing.toHex(), sealing: sealing.toHex() }
    const { device, user } = JSON.parse(await call('attach', JSON.stringify(keys))) as Record<'device' | 'user', string>
    return { device, user: Uint8Array.fromHex(user) }
  },
  lock: async (pin) => Uint8Array.fromHex(await call('lock', pin)),
  read: () => call('read'),
  revoke: async () => void (await call('revoke')),
}

/** A bus at the other end of `call`: what comes is asked for, again and again. */
function carriedBus(): Transport {
  const receivers = new Map<string, Parameters<Transport['subscribe']>[1]>()
  async function receive(): Promise<void> {
    while (receivers.size > 0) {
      const messages = JSON.parse(await call('receive')) as readonly Carried[]
      for (const { pattern, subject, data } of messages) {
        receivers.get(pattern)?.({ subject, data: Uint8Array.fromHex(data) })
      }
    }
  }
  return {
    async publish(subject, data, options = {}) {
      await call('publish', JSON.stringify({ subject, data: data.toHex(), ...options }))
    },
    async subscribe(pattern, take) {
      await call('subscribe', pattern)
      const isFirst = receivers.size === 0
      receivers.set(pattern, take)
      if (isFirst) void receive()
      return {
        async drain() {
          receivers.delete(pattern)
          await call('drain', pattern)
        },
      }
    },
  }
}
