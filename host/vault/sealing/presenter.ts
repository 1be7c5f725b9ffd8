/** What an enclave shows of itself: evidence over a descriptor with a fresh key, and the one message sealed to it. */
import { boundDescriptor, type Descriptor, encodeDescriptor } from '#host/contracts/provisioning.ts'
import type { Enclave } from '#host/crypto/enclave.ts'
import { type HpkeOpened, openHpke } from '#host/crypto/hpke.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { sha384 } from '#host/crypto/p384.ts'
import { CHALLENGE_LIFE_MS } from '#host/storage/limits.ts'
import { openChallenges } from './challenges.ts'

/** How a vault stands here. */
export type Standing = Pick<Descriptor, 'state' | 'pin' | 'offer'>

export interface Presented {
  readonly descriptor: Uint8Array
  readonly evidence: Uint8Array
}

/** A message to an enclave: which evidence it answers (SHA-384), and what it is for. */
export interface Addressed {
  readonly evidence: Uint8Array
  readonly sealed: Uint8Array
  readonly info: Uint8Array
}

export interface Presenter {
  present(vault: string, nonce: Uint8Array, standing: Standing): Promise<Presented>
  /** Once for each evidence. @throws Refusal `challenge-stale`, `unopenable`, `malformed` */
  open(vault: string, message: Addressed): HpkeOpened
}

const INSTANCE_BYTES = 16

export function openPresenter(options: {
  readonly enclave: Enclave
  readonly now: () => number
  readonly random: (length: number) => Uint8Array
}): Presenter {
  const { enclave, now, random } = options
  const challenges = openChallenges(now)
  const instance = random(INSTANCE_BYTES)
  return {
    async present(vault, nonce, standing) {
      const key = challenges.draw()
      const { id: release, serial } = enclave.release
      const about = { vault, instance, release, serial, notAfter: now() + CHALLENGE_LIFE_MS }
      const descriptor = encodeDescriptor({ ...about, ...standing, key: key.publicKey })
      const evidence = await enclave.attest({ nonce, userData: boundDescriptor(nativeCrypto, descriptor) })
      challenges.wait({ vault, evidence: sha384(evidence) }, key)
      return { descriptor, evidence }
    },
    open(vault, { evidence, sealed, info }) {
      const by = challenges.find({ vault, evidence })
      const opened = openHpke(nativeCrypto, { by, info, aad: evidence }, sealed)
      challenges.end({ vault, evidence })
      return opened
    },
  }
}
