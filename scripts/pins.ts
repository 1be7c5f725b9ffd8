/**
 * Pins: which bytes a handler's component is. QuickJS snapshots its heap when a component is built, so two builds of
 * one source differ: the component is built once, pinned by digest, and everybody else takes those bytes.
 */
import { readFile } from 'node:fs/promises'

import { Refusal } from '../host/errors.ts'
import { readInput } from '../host/commands/files.ts'
import { sha384 } from '../host/crypto/p384.ts'
import type { BuiltPlugin } from './build-plugins.ts'

/** SHA-384 of a component, lower-case hex, by handler. */
export type Pins = Readonly<Record<string, string>>

/** @throws Refusal `image-changed` naming the first component that is not the pinned one, or is not pinned */
export async function checkPins(plugins: readonly BuiltPlugin[], pins: Pins | undefined): Promise<void> {
  if (pins === undefined) return
  for (const { name, component } of plugins) {
    const found = sha384(new Uint8Array(await readFile(component))).toHex()
    const pinned = pins[name]
    if (pinned === found) continue
    const how = pinned === undefined ? 'is not pinned' : `is ${found.slice(0, 16)}…, pinned is ${pinned.slice(0, 16)}…`
    throw new Refusal(
      'image-changed',
      `image: the component of ${name} ${how}: take the one that was released, with --components`,
    )
  }
}

/** Ten thousand handlers. */
const PINS_BYTES_MAX = 2_097_152

/** @throws Refusal `input-invalid` when it is no file of pins */
export async function readPins(file: string): Promise<Pins> {
  const bytes = await readInput(file, { what: 'pins', bytesMax: PINS_BYTES_MAX })
  const bad = (cause?: unknown): Refusal => {
    return new Refusal('input-invalid', `image: ${file} holds no pins: trellis image inspect --pins prints them`, {
      cause,
    })
  }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(bytes))
  } catch (error) {
    throw bad(error)
  }
  if (typeof value !== 'object' || value === null) throw bad()
  const pins: Record<string, string> = {}
  for (const [name, digest] of Object.entries(value)) {
    if (typeof digest !== 'string' || !/^[0-9a-f]{96}$/.test(digest)) throw bad()
    pins[name] = digest
  }
  return pins
}
