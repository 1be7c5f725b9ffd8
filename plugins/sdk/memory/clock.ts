import { granted } from './world.ts'

export function now(): number {
  return granted().now
}
