import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { nativeEvidence } from '#host/crypto/p384.ts'
import { listedFile as file, listingOf } from './listing.fixture.ts'
import { handlerEntry } from './handler-entry.ts'
import { extensionsOf, measureImage, proveHandler, softwareMeasurement } from './measure.ts'
import { isIncluded } from './merkle.ts'
import { extendedOnce, measurementOf } from './measurement.ts'

const files = [
  file('components/b-two.wasm'),
  file('components/one.wasm'),
  file('manifests/b-two.json'),
  file('manifests/one.json'),
  file('wit/world.wit'),
]
const measure = measureImage(listingOf(files))

test('handlers are named with manifest and component', () => {
  expect(measure.handlers.map(({ id }) => id)).toEqual(['b-two', 'one'])
  expect(measure.handlers[1]?.component.toHex()).toBe(files[1]?.sha384)
  expect(measure.handlers[1]?.manifest.toHex()).toBe(files[3]?.sha384)
})

test('any change is another root, and of handlers another handler root', () => {
  fc.assert(
    fc.property(fc.nat(files.length - 1), fc.constantFrom('path', 'size', 'sha384'), (at, part) => {
      const changes = { path: 'wit/zoo.wit', size: 1_000, sha384: 'f'.repeat(96) }
      const changed = files.map((each, index) => (index === at ? { ...each, [part]: changes[part] } : each))
      if (part === 'path' && at < 4) return
      const other = measureImage(listingOf(changed))
      expect(other.root).not.toEqual(measure.root)
      expect(softwareMeasurement(other)).not.toEqual(softwareMeasurement(measure))
      if (at < 4 && part === 'sha384') expect(other.handlerRoot).not.toEqual(measure.handlerRoot)
      else expect(other.handlerRoot).toEqual(measure.handlerRoot)
    }),
  )
  expect(measureImage(listingOf(files.slice(0, -1))).root).not.toEqual(measure.root)
  expect(measureImage(listingOf([file('components/one.wasm'), file('manifests/one.json')])).handlerRoot).not.toEqual(
    measure.handlerRoot,
  )
})

test('boot extends two registers, and the measurement names the first', () => {
  expect(extensionsOf(measure)).toEqual([
    [16, measure.root],
    [17, measure.handlerRoot],
  ])
  const registers = new Map([[16, extendedOnce(nativeEvidence, measure.root)]])
  expect(softwareMeasurement(measure)).toEqual(measurementOf(nativeEvidence, 'software', registers))
})

test('a handler is proved by its id, manifest and component', () => {
  const [, one] = measure.handlers
  if (!one) throw new Error('two handlers')
  const proof = proveHandler(measure, 'one')
  expect(proof.entry).toEqual(handlerEntry(one))
  expect(isIncluded(nativeEvidence, proof, measure.handlerRoot)).toBe(true)
  expect(isIncluded(nativeEvidence, proof, measure.root)).toBe(false)
  expect(() => proveHandler(measure, 'three')).toThrow('image: no handler three: there are b-two, one')
})

test('a component without a manifest is no handler', () => {
  expect(() => listingOf(files.toSpliced(3, 1))).toThrow(expect.objectContaining({ code: 'image-unlisted' }))
})

test('what a listing says besides its files is in the root', () => {
  const digest = { size: 1, sha384: 'a'.repeat(96) }
  const policy = { releaseKeys: ['b'.repeat(64)], minimumRelease: 2 }
  const heads = [
    { release: 1 },
    { runtime: { version: '26.10.0', platform: 'linux', arch: 'x64', ...digest } },
    { policy },
    { policy: { ...policy, minimumRelease: 3 } },
  ]
  const roots = heads.map((head) => measureImage(listingOf(files, head)).root.toHex())
  expect(new Set([measure.root.toHex(), ...roots]).size).toBe(5)
  const core = measureImage({
    ...listingOf(files),
    handlers: listingOf(files).handlers.map((handler) => Object.assign({}, handler, { core: [digest] })),
  })
  expect(core.root).not.toEqual(measure.root)
})
