import { granted } from './world.ts'

export function bytes(length: number): Uint8Array {
  return granted().random(length)
}
