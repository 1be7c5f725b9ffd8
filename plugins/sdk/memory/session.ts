import { granted, type MemorySession } from './world.ts'

export function current(): MemorySession {
  return granted().session
}
