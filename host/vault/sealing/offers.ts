/** The question whether to move on, one for each vault, and the same one until it is answered. */
import { type MoveOffer, REQUEST_BYTES } from '#host/contracts/provisioning.ts'
import type { Enclave, Releases } from '#host/crypto/enclave.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import type { VaultId } from '#host/wire/id.ts'
import type { Successor } from './succession.ts'

export interface Offers {
  /** Asks, if a newer release waits beside this one now. */
  readonly ask: (id: VaultId) => Promise<MoveOffer | null>
  /** What was asked and not answered. */
  readonly open: (id: VaultId) => MoveOffer | undefined
  readonly end: (id: VaultId) => void
}

export function openOffers({
  enclave,
  releases,
  successor,
  random,
}: {
  readonly enclave: Pick<Enclave, 'release'>
  readonly releases: Releases
  readonly successor: () => Promise<Successor | undefined>
  readonly random: (length: number) => Uint8Array
}): Offers {
  const offers = new Map<VaultId, MoveOffer>()
  return {
    async ask(id) {
      const beside = await successor()
      const release = beside && releases.find(beside.measurement)
      if (!release || release.serial <= enclave.release.serial) return null
      const asked = offers.get(id)
      if (asked && equalBytes(asked.to, beside.measurement)) return asked
      const { measurement: to, changes } = beside
      const offer = { request: random(REQUEST_BYTES), to, release: release.id, serial: release.serial, changes }
      offers.set(id, offer)
      return offer
    },
    open: (id) => offers.get(id),
    end: (id) => void offers.delete(id),
  }
}
