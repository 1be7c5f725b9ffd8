import { granted, type Session } from './world.ts'

export function current(): Session {
  return granted().session
}
