/** Keys that wait for the order to their evidence: each is for one order, and not for long. */
import { generateKemKey } from '#host/crypto/kem.ts'
import type { OpeningKey } from '#host/crypto/port.ts'
import { Refusal } from '#host/errors.ts'
import { CHALLENGE_LIFE_MS, CHALLENGED_VAULTS_MAX, CHALLENGES_PER_VAULT_MAX } from '#host/storage/limits.ts'

interface Waiting {
  readonly key: OpeningKey
  readonly until: number
}

export interface Challenges {
  /** A fresh key. Its evidence is not known yet. */
  draw(): OpeningKey
  /** `evidence`: its SHA-384. */
  wait(place: { readonly vault: string; readonly evidence: Uint8Array }, key: OpeningKey): void
  /** The key that this evidence is for. @throws Refusal `challenge-stale` when it was used, or too long ago */
  find(place: { readonly vault: string; readonly evidence: Uint8Array }): OpeningKey
  /** It is used. */
  end(place: { readonly vault: string; readonly evidence: Uint8Array }): void
}

export function openChallenges(now: () => number): Challenges {
  const vaults = new Map<string, Map<string, Waiting>>()
  return {
    draw: () => generateKemKey(),
    wait({ vault, evidence }, key) {
      const waiting = vaults.get(vault) ?? new Map<string, Waiting>()
      // The one asked for last goes to the end; the first of a full list gives way.
      vaults.delete(vault)
      vaults.set(vault, waiting.set(evidence.toHex(), { key, until: now() + CHALLENGE_LIFE_MS }))
      dropFirst(waiting, CHALLENGES_PER_VAULT_MAX)
      dropFirst(vaults, CHALLENGED_VAULTS_MAX)
    },
    find({ vault, evidence }) {
      const waiting = vaults.get(vault)?.get(evidence.toHex())
      if (waiting && now() < waiting.until) return waiting.key
      throw new Refusal('challenge-stale', 'this evidence was answered before, or too long ago: ask for new evidence')
    },
    end({ vault, evidence }) {
      vaults.get(vault)?.delete(evidence.toHex())
    },
  }
}

function dropFirst(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return
    map.delete(key)
  }
}
