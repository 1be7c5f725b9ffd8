/** Both providers of cryptography: whatever is verified is verified with each, and must end alike. */
import { expect } from 'vitest'

import type { EvidenceCrypto } from '#host/crypto/evidence-port.ts'
import { portableEvidence } from '#host/crypto/evidence-portable.ts'
import { nativeEvidence } from '#host/crypto/p384.ts'

import { Rejection } from './errors.ts'

/** What the native provider gives or throws, once the portable one gave or threw the same. */
export function onBoth<T>(act: (crypto: EvidenceCrypto) => T): T {
  const [native, portable] = [nativeEvidence, portableEvidence].map((crypto) => outcomeOf(() => act(crypto)))
  if (!native || !portable) throw new Error('there are two providers')
  expect(portable.told, 'the portable provider').toBe(native.told)
  return native.end()
}

/** For variants by the hundred: both for one in eight, else the native one, which takes a tenth of the time. */
export function onOne<T>(index: number, act: (crypto: EvidenceCrypto) => T): T {
  return index % 8 === 0 ? onBoth(act) : act(nativeEvidence)
}

function outcomeOf<T>(act: () => T): { readonly told: string; end(): T } {
  try {
    const value = act()
    return { told: `gives ${textOf(value)}`, end: () => value }
  } catch (error) {
    const told = error instanceof Rejection ? `${error.code}: ${error.message}` : String(error)
    return {
      told: `throws ${told}`,
      end: () => {
        throw error
      },
    }
  }
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (part instanceof Uint8Array) return part.toHex()
    return part instanceof Map || part instanceof Set ? [...part] : part
  })
}
