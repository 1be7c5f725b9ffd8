import { err, granted, type Key } from './world.ts'

export function list(): string[] {
  return Object.keys(granted().keys)
}

export function algorithmOf(alias: string): NonNullable<Key['algorithm']> {
  return keyOf(alias).algorithm ?? 'ed25519'
}

export function publicKey(alias: string): Uint8Array {
  return keyOf(alias).publicKey
}

export function sign(alias: string, message: Uint8Array): Uint8Array {
  const key = keyOf(alias)
  if (!isSignable(key.algorithm, message.length)) throw err('message-size')
  return key.sign(message)
}

function keyOf(alias: string): Key {
  const { keys } = granted()
  const key = Object.hasOwn(keys, alias) ? keys[alias] : undefined
  if (key === undefined) throw err('unavailable')
  return key
}

/** As the host has it: digests of 32 bytes, or messages of up to 65,536 for Ed25519. */
function isSignable(algorithm: Key['algorithm'], length: number): boolean {
  return algorithm === undefined || algorithm === 'ed25519' ? length <= 65_536 : length === 32
}
