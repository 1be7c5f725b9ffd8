import { err, granted } from './world.ts'

export function publicKey(alias: string): Uint8Array {
  return keyOf(alias).publicKey
}

export function sign(alias: string, message: Uint8Array): Uint8Array {
  return keyOf(alias).sign(message)
}

function keyOf(alias: string): { publicKey: Uint8Array; sign(message: Uint8Array): Uint8Array } {
  const { keys } = granted()
  const key = Object.hasOwn(keys, alias) ? keys[alias] : undefined
  if (key === undefined) throw err('unavailable')
  return key
}
