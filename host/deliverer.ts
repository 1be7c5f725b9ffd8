/** What delivering one message needs of its host. */
import type { Showing } from '#host/crypto/enclave.ts'
import type { Bus } from '#host/messaging/port.ts'
import type { Pool } from '#host/plugin/pool.ts'
import type { Registry } from '#host/plugin/registry.ts'
import type { Sealing } from '#host/vault/sealing/sealing.ts'
import type { Lease } from '#host/vault/shelf.ts'

/** What delivering needs of the host. */
export interface Deliverer {
  readonly bus: Bus
  readonly registry: Registry
  readonly pool: Pool
  /** A vault, opened now if need be and held open meanwhile; `undefined` when this host does not have it. */
  hold(id: string): Promise<Lease | undefined>
  /** What answers devices before their vault is open; absent where no enclave runs. */
  readonly sealing?: Sealing | undefined
  /** What shows the code that runs; absent where nothing attests. */
  readonly showing?: Showing | undefined
  /** Milliseconds since the epoch. */
  now(): number
  random(length: number): Uint8Array
}

/** When it is, and chance, for one step. */
export function moment(host: Deliverer): { now: number; random: (length: number) => Uint8Array } {
  return { now: host.now(), random: (length) => host.random(length) }
}
