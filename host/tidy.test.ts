/** The house rules over the whole tree. The scanner and the rules are in `scripts/tidy/`, with tests of their own. */
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

import {
  cycleViolations,
  deadFiles,
  layerViolations,
  packageViolations,
  pathViolations,
} from '../scripts/tidy/layers.ts'
import {
  barrelViolations,
  FILE_LINES_MEDIAN_MAX,
  languageViolations,
  medianLines,
  nameViolations,
  refusalViolations,
  sizeViolations,
  witViolations,
} from '../scripts/tidy/style.ts'
import { isTest, readTree } from '../scripts/tidy/tree.ts'

const tree = readTree(fileURLToPath(new URL('../', import.meta.url)))

test('the tree was read', () => {
  expect(tree.sources.has('host/errors.ts')).toBe(true)
  expect(tree.sources.has('host/tidy.test.ts')).toBe(true)
  expect(tree.wit.has('wit/world.wit')).toBe(true)
})

describe('the house', () => {
  test('rooms import what is below them', () => expect(layerViolations(tree)).toEqual([]))
  test('relative paths stay in their room', () => expect(pathViolations(tree)).toEqual([]))
  test('a package is imported in one folder', () => expect(packageViolations(tree)).toEqual([]))
  test('no circles', () => expect(cycleViolations(tree)).toEqual([]))
  test('no dead files', () => expect(deadFiles(tree)).toEqual([]))
  test('no barrels', () => expect(barrelViolations(tree)).toEqual([]))
  test('one interface in a WIT file, the world last', () => expect(witViolations(tree)).toEqual([]))
})

describe('the style', () => {
  test('files, functions and lines are short', () => expect(sizeViolations(tree)).toEqual([]))
  test('names are kebab-case and without banned nouns', () => expect(nameViolations(tree)).toEqual([]))
  test('what is not to be said is not said', () => expect(languageViolations(tree)).toEqual([]))

  test.each([
    ['sources', (path: string) => !isTest(path)],
    ['tests', isTest],
  ])('the median of %s is short', (_name, picks) => {
    const { median, over } = medianLines(tree, picks)
    expect(median, over.join('\n')).toBeLessThanOrEqual(FILE_LINES_MEDIAN_MAX)
  })
})

test('every refusal is thrown and is tested', () => expect(refusalViolations(tree)).toEqual([]))
