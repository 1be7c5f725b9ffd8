/** Real documents of AWS, where the shared folder beside the repository has them. */
import { warn } from 'node:console'
import { existsSync, readFileSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import { AWS_NITRO_ROOT } from './nitro.ts'
import { judgeEvidence, type Roots } from './policy.ts'
import { onBoth, onOne } from './providers.fixture.ts'
import { rejectionOf } from './rejection.fixture.ts'
import { decodeEvidence, verifyEvidence } from './verify.ts'

interface Vector {
  readonly file: string
  readonly expect: string
  readonly timestampMs: number
  readonly moduleId: string
  readonly pcrs: Readonly<Record<string, string>>
  readonly pcrCount: number
}

const folder = new URL('../../shared/vectors/nitro/', import.meta.url)
const roots: Roots = { nitro: [AWS_NITRO_ROOT], software: [], revoked: new Set() }
const VERDICTS: Readonly<Record<string, string>> = { accept: 'accepted', 'reject:debug': 'debug-mode' }

if (existsSync(folder)) {
  const vectors: readonly Vector[] = JSON.parse(readFileSync(new URL('index.json', folder), 'utf8'))
  describe.each(vectors)('$file', (vector) => {
    const bytes = new Uint8Array(readFileSync(new URL(vector.file, folder)))
    const registers = new Map(
      Object.entries(vector.pcrs)
        .filter(([index]) => Number(index) < 5)
        .map(([index, value]) => [Number(index), [value]]),
    )
    const policy = { kind: 'nitro', registers, measurements: [], maxAgeMs: 60_000 } as const
    // A debug document has none of the registers that a policy must pin: it is judged by those of another.
    const pinned = registers.has(0) ? policy : { ...policy, measurements: ['0'.repeat(96)] }
    const judge = (nowMs: number) =>
      onBoth((crypto) => judgeEvidence(verifyEvidence(crypto, decodeEvidence(bytes), roots), pinned, { nowMs }))

    test('has the verdict of its index', () => {
      expect(rejectionOf(() => judge(vector.timestampMs))).toBe(VERDICTS[vector.expect])
      const evidence = decodeEvidence(bytes)
      expect(evidence).toMatchObject({ kind: 'nitro', moduleId: vector.moduleId })
      expect(evidence.claims.timestampMs).toBe(vector.timestampMs)
      expect(evidence.claims.registers.size).toBe(vector.pcrCount)
      for (const [index, value] of Object.entries(vector.pcrs)) {
        expect(evidence.claims.registers.get(Number(index))?.toHex()).toBe(value)
      }
    })

    test('is too old a day later', () => {
      const later = rejectionOf(() => judge(vector.timestampMs + 86_400_000))
      expect(later).toBe(vector.expect === 'accept' ? 'too-old' : 'debug-mode')
    })

    test('is rejected with a byte changed, wherever it is', () => {
      for (let at = 0; at < bytes.length; at += 151) {
        const changed = bytes.map((byte, index) => (index === at ? byte ^ 0x10 : byte))
        const verdict = rejectionOf(() => onOne(at, (crypto) => verifyEvidence(crypto, decodeEvidence(changed), roots)))
        expect(verdict, `byte ${at}`).not.toBe('accepted')
      }
    })
  })
} else {
  warn('not run: documents of AWS (no ../shared/vectors/nitro beside the repository)')
  test.skip('documents of AWS: vectors absent', () => {})
}
