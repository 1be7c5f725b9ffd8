import { err, granted, type HeldCredential } from './world.ts'

export function list(): (Omit<HeldCredential, 'prove'> & { readonly alias: string })[] {
  return Object.entries(granted().credentials).map(([alias, { kind, issuer, label, claims, expires }]) => {
    return { alias, kind, issuer, label, claims, expires }
  })
}

export function prove(alias: string, disclose: readonly string[], nonce: Uint8Array): Uint8Array {
  const { credentials } = granted()
  const credential = Object.hasOwn(credentials, alias) ? credentials[alias] : undefined
  if (nonce.length < 16 || nonce.length > 64) throw err('nonce')
  const may = disclose.length > 0 && disclose.every((name) => credential?.claims.includes(name))
  if (credential === undefined || !may) throw err('unavailable')
  return credential.prove(disclose, nonce)
}
