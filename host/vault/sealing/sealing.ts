/**
 * The outer shell of protected vaults: what answers a device before the vault is open. It shows what runs (evidence
 * over a fresh key), and takes one order for it, sealed to that key.
 */
import {
  decodeChallenge,
  decodeSealedOrder,
  encodeOutcome,
  encodePresentation,
  encodeSealed,
  openOrder,
  ORDER_INFO,
  type Outcome,
} from '#host/contracts/provisioning.ts'
import { sealAead } from '#host/crypto/aead.ts'
import type { Enclave, Releases } from '#host/crypto/enclave.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { NONCE_BYTES } from '#host/crypto/sizes.ts'
import { Refusal } from '#host/errors.ts'
import type { Sealer } from '#host/storage/port.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { parseVaultId, type VaultId } from '#host/wire/id.ts'
import type { Vault } from '../vault.ts'
import type { Guard } from './guard.ts'
import { carryOut, type Workshop } from './orders.ts'
import { openOffers } from './offers.ts'
import { openPresenter, type Standing } from './presenter.ts'
import { isAllThere, seatedFor } from './seats.ts'
import { turnsByVault } from './slot.ts'
import type { Successor } from './succession.ts'

export interface Sealing {
  /** Answers a challenge. @throws Refusal `provision-invalid`, `vault-unknown` */
  challenged(vault: string, data: Uint8Array): Promise<Uint8Array>
  /**
   * Carries out an order. Every refusal of it is its answer, sealed.
   *
   * @throws Refusal for what cannot be opened, and answers nobody: `challenge-stale`, `unopenable`, `provision-invalid`
   */
  ordered(vault: string, data: Uint8Array): Promise<Uint8Array>
}

export interface SealingOptions {
  readonly guard: Guard
  readonly enclave: Enclave
  readonly sealer: Sealer
  readonly releases: Releases
  readonly successor?: (() => Promise<Successor | undefined>) | undefined
  /** Told when every protected vault has a seat for the successor that waits: it waits for this process alone. */
  readonly left?: (() => void) | undefined
  readonly names: () => Promise<readonly VaultId[]>
  readonly now: () => number
  readonly random: (length: number) => Uint8Array
  readonly find: (id: VaultId) => Promise<Vault | undefined>
  readonly drop: (id: VaultId) => Promise<void>
}

const nobody = () => Promise.resolve(undefined)
const ANSWER_NONCE = new Uint8Array(NONCE_BYTES)

export function openSealing(options: SealingOptions): Sealing {
  const { guard, enclave, now, random, releases, successor = nobody } = options
  const presenter = openPresenter({ enclave, now, random })
  const turns = turnsByVault()
  const offers = openOffers({ enclave, releases, successor, random })
  let isHanded = false
  const shop: Workshop = {
    ...options,
    successor,
    offerOf: offers.open,
    endOffer: offers.end,
    handed: () => (isHanded = true),
  }

  async function stateOf(id: VaultId): Promise<Standing> {
    try {
      const found = await guard.find(id, enclave)
      if (!found) return { state: 'open', pin: false, offer: null }
      const pin = found.header.salt !== null
      if (found.header.move) return { state: 'moving', pin, offer: null }
      return { state: guard.isUnlocked(id) ? 'unlocked' : 'locked', pin, offer: await offers.ask(id) }
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'key-missing') throw error
      return { state: 'moved', pin: false, offer: null }
    }
  }

  async function outcomeOf(id: VaultId, plaintext: Uint8Array, evidence: Uint8Array): Promise<Outcome> {
    try {
      const { order, device } = openOrder(nativeCrypto, plaintext)
      if (order.vault !== id || !equalBytes(order.evidence, evidence)) {
        throw new Refusal('provision-invalid', 'the order is for another vault or other evidence')
      }
      const done = await turns(id, () => carryOut({ id, order, device }, shop)).finally(() => order.secret.fill(0))
      return { ...done, release: enclave.release.id, serial: enclave.release.serial }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return { refused: error.code, message: error.message }
    }
  }

  return {
    async challenged(text, data) {
      const id = parseVaultId(text)
      const { nonce } = decodeChallenge(data)
      const standing = await stateOf(id)
      // It went in an earlier run: the image that waits may wait for nothing but the end of this one.
      if (standing.state === 'moved') await letGo({ ...options, successor })
      const shown = await presenter.present(id, nonce, standing)
      return encodePresentation({ nonce, ...shown })
    },
    async ordered(text, data) {
      const id = parseVaultId(text)
      const { evidence, sealed } = decodeSealedOrder(data)
      const { plaintext, answerKey } = presenter.open(id, { evidence, sealed, info: ORDER_INFO })
      const outcome = encodeOutcome(await outcomeOf(id, plaintext, evidence))
      plaintext.fill(0)
      if (isHanded) await letGo({ ...options, successor })
      isHanded = false
      const answer = sealAead(answerKey, { nonce: ANSWER_NONCE, aad: evidence }, outcome)
      answerKey.fill(0)
      return encodeSealed({ evidence, sealed: answer })
    },
  }
}

/** Tells, if every vault went to the image that waits. */
async function letGo({
  guard,
  names,
  successor,
  left,
}: Pick<SealingOptions, 'guard' | 'names' | 'left'> & Pick<Workshop, 'successor'>): Promise<void> {
  const beside = await successor()
  if (!beside || !left) return
  const seated = await seatedFor(beside.measurement, { names: await names(), read: (id) => guard.slots.read(id) })
  if (isAllThere(seated)) left()
}
