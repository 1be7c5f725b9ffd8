import { generateKeyPairSync, sign } from 'node:crypto'
import { serialize } from 'node:v8'
import { Worker } from 'node:worker_threads'

import { expect, test, vi } from 'vitest'

import { jobFor, registryOf } from './fixtures/stage.ts'
import { createPool } from './pool.ts'

/** Everything that is ever shared with a cell. */
const shared: SharedArrayBuffer[] = []

vi.mock('./channel.ts', async (original) => {
  const channel = await original<typeof import('./channel.ts')>()
  const newChannel = (): SharedArrayBuffer => {
    const memory = channel.newChannel()
    shared.push(memory)
    return memory
  }
  return { ...channel, newChannel }
})

const pair = generateKeyPairSync('ed25519')
const secret = Buffer.from(pair.privateKey.export({ format: 'jwk' }).d ?? '', 'base64url')
const publicKey = new Uint8Array(pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))

test('a cell signs with a key that never enters it', async () => {
  const post = vi.spyOn(Worker.prototype, 'postMessage')
  const registry = registryOf('auth-challenge')
  await using pool = await createPool({ registry, cells: 1, spares: 0 })
  const connection = { publicKey, sign: (message: Uint8Array) => new Uint8Array(sign(null, message, pair.privateKey)) }
  const nonce = Buffer.alloc(32, 7).toString('base64url')
  const body = { nonce, audience: 'acme', expires: 1_800_000_060_000 }
  const { reply } = await pool.run(
    jobFor(registry, 'auth.challenge', { body, sources: { keys: new Map([['connection', connection]]) } }),
  )

  const answer = JSON.parse(new TextDecoder().decode(reply)) as { signature: string }
  expect(Buffer.from(answer.signature, 'base64url')).toHaveLength(64)
  const sent = post.mock.calls.map(([message]) => serialize(message))
  const everything = Buffer.concat([...sent, ...shared.map((memory) => Buffer.from(new Uint8Array(memory)))])
  expect(secret).toHaveLength(32)
  expect(everything.indexOf(publicKey)).toBeGreaterThan(-1)
  expect(everything.indexOf(secret)).toBe(-1)
})
