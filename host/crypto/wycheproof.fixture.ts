/** Project Wycheproof's vectors, where the shared folder beside the repository has them. */
import { warn } from 'node:console'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'vitest'

const folder = new URL('../../../shared/vectors/wycheproof/', import.meta.url)

export interface VectorGroup {
  readonly type: string
  readonly tests: readonly Vector[]
  readonly [parameter: string]: unknown
}

export interface Vector {
  readonly tcId: number
  readonly result: 'valid' | 'invalid' | 'acceptable'
  readonly flags: readonly string[]
  readonly [parameter: string]: unknown
}

/**
 * Runs every vector of every group through `judge`, which returns whether ours accepts it (for a primitive without a
 * verdict: whether it gives the expected output). `acceptable` says what ours does with those cases, decided once for
 * each primitive.
 */
export function wycheproof(
  file: string,
  judge: (vector: Vector, group: VectorGroup) => boolean,
  options: { acceptable?: (vector: Vector) => boolean } = {},
): void {
  const path = new URL(`${file}.json`, folder)
  if (!existsSync(path)) {
    warn(`not run: wycheproof ${file} (no ../shared/vectors beside the repository)`)
    test.skip(`wycheproof ${file}: vectors absent`, () => {})
    return
  }
  const { testGroups, numberOfTests } = JSON.parse(readFileSync(path, 'utf8')) as {
    testGroups: readonly VectorGroup[]
    numberOfTests: number
  }
  describe(`wycheproof ${file}`, () => {
    test(`all ${numberOfTests} vectors`, () => {
      const wrong: string[] = []
      let count = 0
      for (const group of testGroups) {
        for (const vector of group.tests) {
          count++
          const wanted = vector.result === 'acceptable' ? options.acceptable?.(vector) : vector.result === 'valid'
          if (judge(vector, group) !== wanted) wrong.push(`${vector.tcId} ${vector.result} ${vector.flags.join(' ')}`)
        }
      }
      if (wrong.length > 0 || count !== numberOfTests) throw new Error(`${count} run, wrong: ${wrong.join('; ')}`)
    })
  })
}

/** A hexadecimal parameter of a vector or group. */
export function bytesIn(from: Vector | VectorGroup, name: string): Uint8Array {
  return Uint8Array.fromHex(String(from[name]))
}
