import { randomBytes } from 'node:crypto'
import { serialize } from 'node:v8'
import { Worker } from 'node:worker_threads'

import { expect, test, vi } from 'vitest'

import { generateBbs, proveBbs } from '#host/crypto/bbs.ts'
import { decodeCredential, issueCredential } from '#host/crypto/credential.ts'
import { disclosureOf, encodePresentation } from '#host/crypto/presentation.ts'

import { jobFor, registryOf } from './fixtures/stage.ts'
import { createPool } from './pool.ts'
import type { GrantedCredential } from './port.ts'

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

const BIRTH = '1990-04-12'

test('a cell hands on a proof of a credential whose signature and other claims never enter it', async () => {
  const post = vi.spyOn(Worker.prototype, 'postMessage')
  const registry = registryOf('verification')
  await using pool = await createPool({ registry, cells: 1, spares: 0 })
  const credential = decodeCredential(
    issueCredential(generateBbs(new Uint8Array(32)), {
      kind: 'licence',
      expires: null,
      claims: [
        ['over_21', true],
        ['birth_date', BIRTH],
      ],
    }),
  )
  const granted: GrantedCredential = {
    metadata: { alias: 'car', kind: 'licence', issuer: 'i', label: 'l', claims: ['over_21'], expires: null },
    async prove({ disclose, nonce }) {
      const disclosure = disclosureOf(credential, { names: disclose, audience: new Uint8Array(32), nonce })
      const proof = proveBbs(disclosure, (length) => new Uint8Array(randomBytes(length)))
      return encodePresentation(credential, { ...disclosure, proof })
    },
  }
  const body = { claims: ['over_21'], nonce: Buffer.alloc(16, 7).toString('base64url') }
  const { reply } = await pool.run(
    jobFor(registry, 'identity.verify', { body, sources: { credentials: new Map([['car', granted]]) } }),
  )

  const answer = JSON.parse(new TextDecoder().decode(reply)) as { proof: string }
  const presentation = Buffer.from(answer.proof, 'base64url')
  const sent = post.mock.calls.map(([message]) => serialize(message))
  const everything = Buffer.concat([...sent, ...shared.map((memory) => Buffer.from(new Uint8Array(memory)))])
  expect(everything.indexOf(presentation)).toBeGreaterThan(-1)
  for (const part of [BIRTH, credential.signature.subarray(0, 48), credential.signature.subarray(48)]) {
    expect(everything.indexOf(part)).toBe(-1)
  }
})
