import { createHash } from 'node:crypto'

import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { nativeEvidence } from '#host/crypto/p384.ts'

import { isConsistent, isIncluded, proveConsistency, proveInclusion, treeRoot } from './merkle.ts'

const sha384 = (...parts: readonly (string | Uint8Array)[]) => {
  const hash = createHash('sha384')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const entries = (size: number) => Array.from({ length: size }, (_, index) => Uint8Array.of(7, index >> 8, index & 255))

test('roots are those of the RFC, with SHA-384', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((text) => new TextEncoder().encode(text))
  if (!a || !b || !c) throw new Error('three letters')
  const leaf = (text: string) => sha384('\0', text)
  expect(treeRoot(nativeEvidence, []).toHex()).toBe(sha384().toString('hex'))
  expect(treeRoot(nativeEvidence, [a]).toHex()).toBe(leaf('a').toString('hex'))
  const pair = sha384('\u0001', leaf('a'), leaf('b'))
  expect(treeRoot(nativeEvidence, [a, b]).toHex()).toBe(pair.toString('hex'))
  expect(treeRoot(nativeEvidence, [a, b, c]).toHex()).toBe(sha384('\u0001', pair, leaf('c')).toString('hex'))
})

test('every entry of every list is proved, and of no other list', () => {
  for (let size = 1; size <= 33; size++) {
    const list = entries(size)
    const root = treeRoot(nativeEvidence, list)
    for (let index = 0; index < size; index++) {
      const proof = proveInclusion(nativeEvidence, list, index)
      expect(isIncluded(nativeEvidence, proof, root)).toBe(true)
      expect(proof.path.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)))
      expect(isIncluded(nativeEvidence, proof, treeRoot(nativeEvidence, entries(size + 1)))).toBe(false)
    }
  }
  expect(() => proveInclusion(nativeEvidence, entries(3), 3)).toThrow('no entry 3 of 3')
})

test('a proof with anything changed proves nothing', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 40 }), fc.nat(), fc.nat(), (size, at, salt) => {
      const list = entries(size)
      const root = treeRoot(nativeEvidence, list)
      const proof = proveInclusion(nativeEvidence, list, at % size)
      const other = (at + 1 + (salt % (size - 1))) % size
      const path = proof.path.map((hash, index) => (index === salt % proof.path.length ? hash.toReversed() : hash))
      expect(isIncluded(nativeEvidence, { ...proof, index: other }, root)).toBe(false)
      expect(isIncluded(nativeEvidence, { ...proof, entry: list[other] ?? root }, root)).toBe(false)
      expect(isIncluded(nativeEvidence, { ...proof, path }, root)).toBe(false)
      expect(isIncluded(nativeEvidence, { ...proof, path: proof.path.slice(1) }, root)).toBe(false)
      expect(isIncluded(nativeEvidence, { ...proof, path: [...proof.path, root] }, root)).toBe(false)
      expect(isIncluded(nativeEvidence, { ...proof, index: size }, root)).toBe(false)
      expect(isIncluded(nativeEvidence, { ...proof, index: -1 }, root)).toBe(false)
      expect(isIncluded(nativeEvidence, { ...proof, index: 0.5, size: 1, path: [] }, root)).toBe(false)
    }),
  )
})

test('of a list of one there is nothing to climb', () => {
  const [entry = new Uint8Array()] = entries(1)
  const root = treeRoot(nativeEvidence, [entry])
  expect(isIncluded(nativeEvidence, { entry, index: 0, size: 1, path: [] }, root)).toBe(true)
  expect(isIncluded(nativeEvidence, { entry, index: 0, size: 1, path: [root] }, root)).toBe(false)
})

test('a node is no entry', () => {
  const list = entries(4)
  const [a, b, c, d] = list.map((entry) => sha384('\0', entry))
  if (!a || !b || !c || !d) throw new Error('four entries')
  const forged = { entry: Uint8Array.from(Buffer.concat([a, b])), index: 0, size: 2 }
  expect(
    isIncluded(nativeEvidence, { ...forged, path: [sha384('\u0001', c, d)] }, treeRoot(nativeEvidence, list)),
  ).toBe(false)
})

const treeOf = (size: number) => ({ size, root: treeRoot(nativeEvidence, entries(size)) })

test('every list is the beginning of every longer one, and of no other', () => {
  for (let size = 1; size <= 20; size++) {
    for (let begun = 1; begun <= size; begun++) {
      const [first, second] = [treeOf(begun), treeOf(size)]
      const path = proveConsistency(nativeEvidence, entries(size), begun)
      expect(isConsistent(nativeEvidence, { first, second, path })).toBe(true)
      const other = {
        ...first,
        root: treeRoot(
          nativeEvidence,
          entries(begun).map((entry) => entry.toReversed()),
        ),
      }
      expect(isConsistent(nativeEvidence, { first: other, second, path })).toBe(false)
      expect(isConsistent(nativeEvidence, { first, second: { ...second, root: other.root }, path })).toBe(false)
      expect(isConsistent(nativeEvidence, { first, second, path: [...path, first.root] })).toBe(false)
      expect(isConsistent(nativeEvidence, { first, second, path: path.slice(1) })).toBe(path.length === 0)
    }
  }
  expect(() => proveConsistency(nativeEvidence, entries(3), 4)).toThrow('no 4 of 3')
  expect(() => proveConsistency(nativeEvidence, entries(3), 0)).toThrow('no 0 of 3')
  expect(isConsistent(nativeEvidence, { first: treeOf(3), second: treeOf(2), path: [] })).toBe(false)
  expect(
    isConsistent(nativeEvidence, {
      first: { size: 0, root: treeRoot(nativeEvidence, []) },
      second: treeOf(2),
      path: [],
    }),
  ).toBe(false)
  expect(
    isConsistent(nativeEvidence, {
      first: { size: 0.5, root: treeRoot(nativeEvidence, []) },
      second: treeOf(2),
      path: [],
    }),
  ).toBe(false)
})

// RFC 9162 §2.1.5: the consistency proofs of a tree of seven.
test('consistency proofs hold the nodes that the RFC names', () => {
  const list = entries(7)
  const node = (from: number, to: number) => treeRoot(nativeEvidence, list.slice(from, to))
  expect(proveConsistency(nativeEvidence, list, 3)).toEqual([node(2, 3), node(3, 4), node(0, 2), node(4, 7)])
  expect(proveConsistency(nativeEvidence, list, 4)).toEqual([node(4, 7)])
  expect(proveConsistency(nativeEvidence, list, 6)).toEqual([node(4, 6), node(6, 7), node(0, 4)])
})
