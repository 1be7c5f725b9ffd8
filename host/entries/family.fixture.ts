/** Devices that say things of each other, for tests. */
import { randomBytes } from 'node:crypto'

import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'

import { deviceId, userId } from './device.ts'
import { walkDirectory } from './directory.ts'
import { type Hash, parseHash } from './ids.ts'
import type { Directory, SignedStatement, Statement, StatementBody } from './model.ts'
import { signStatement } from './statement.ts'

export const random = (count: number) => new Uint8Array(randomBytes(count))
export const noHeads: Hash = parseHash(new Uint8Array(32))

export function newDevice() {
  const signer = generateSigningKey()
  const opener = generateKemKey()
  const keys = { signing: signer.publicKey, sealing: opener.publicKey }
  return { signer, opener, keys, id: deviceId(crypto, keys) }
}

export type Kin = ReturnType<typeof newDevice>

export function newFamily() {
  const root = newDevice()
  const user = userId(crypto, root.keys)
  const said: SignedStatement[] = []
  function make(by: Kin, body: StatementBody, change: Partial<Statement> = {}, signer = by.signer): SignedStatement {
    const prev = said.at(-1)?.hash ?? null
    const statement = { user, seq: said.length, prev, by: by.id, at: 1_000, body, ...change }
    return signStatement(crypto, statement, signer)
  }
  function say(...from: Parameters<typeof make>): void {
    said.push(make(...from))
  }
  function attest(by: Kin, of: Kin, change: Partial<Extract<StatementBody, { kind: 'attest' }>> = {}): void {
    say(by, attestation(of, change))
  }
  function revoke(by: Kin, of: Kin, heir: Kin | null = null): void {
    say(by, { kind: 'revoke', device: of.id, heads: noHeads, heir: heir && heir.id })
  }
  function walk(now = 2_000, more: readonly Uint8Array[] = []): Directory {
    return walkDirectory(crypto, { user, statements: [...said.map(({ bytes }) => bytes), ...more], now })
  }
  say(root, { kind: 'root', label: 'root', keys: root.keys })
  return { root, user, said, make, say, attest, revoke, walk }
}

export function attestation(of: Kin, change: Partial<Extract<StatementBody, { kind: 'attest' }>> = {}) {
  return { kind: 'attest', label: 'device', keys: of.keys, role: 'device', expires: null, ...change } as const
}

/** What a walk made of each device, in the order they came. */
export function statuses(directory: Directory): string[] {
  return [...directory.devices.values()].map(({ status }) => status)
}

export function reasons(directory: Directory): string[] {
  return directory.ignored.map(({ reason }) => reason)
}
