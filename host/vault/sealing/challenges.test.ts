import { expect, test } from 'vitest'

import type { OpeningKey } from '#host/crypto/port.ts'
import { Refusal } from '#host/errors.ts'
import { CHALLENGE_LIFE_MS, CHALLENGED_VAULTS_MAX, CHALLENGES_PER_VAULT_MAX } from '#host/storage/limits.ts'
import { type Challenges, openChallenges } from './challenges.ts'

const key = { publicKey: new Uint8Array(1) } as OpeningKey
const evidence = (number: number): Uint8Array => Uint8Array.of(number)
const challenge = (open: Challenges, vault: string, number: number) =>
  open.wait({ vault, evidence: evidence(number) }, key)

function waits(open: Challenges, vault: string, number: number): boolean {
  try {
    return open.find({ vault, evidence: evidence(number) }) === key
  } catch (error) {
    if (error instanceof Refusal && error.code === 'challenge-stale') return false
    throw error
  }
}

test('a challenge waits so long', () => {
  let now = 0
  const open = openChallenges(() => now)
  challenge(open, 'alice', 1)
  now = CHALLENGE_LIFE_MS - 1
  expect(waits(open, 'alice', 1)).toBe(true)
  now = CHALLENGE_LIFE_MS
  expect(waits(open, 'alice', 1)).toBe(false)
})

test('so many of one vault wait: the oldest gives way', () => {
  const open = openChallenges(() => 0)
  for (let number = 0; number <= CHALLENGES_PER_VAULT_MAX; number++) challenge(open, 'alice', number)
  expect([0, 1, CHALLENGES_PER_VAULT_MAX].map((number) => waits(open, 'alice', number))).toEqual([false, true, true])
})

test('those of so many vaults wait: the one that was asked longest ago gives way', () => {
  const open = openChallenges(() => 0)
  for (let vault = 0; vault < CHALLENGED_VAULTS_MAX; vault++) challenge(open, `${vault}`, 1)
  challenge(open, '0', 2)
  challenge(open, 'one more', 1)
  expect(['0', '1', '2', 'one more'].map((vault) => waits(open, vault, 1))).toEqual([true, false, true, true])
})
