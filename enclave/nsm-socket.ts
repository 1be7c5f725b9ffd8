/**
 * The unix socket of the process that owns the security module. A message either way is its length (32 bits, big
 * endian) and its bytes; a connection is one request and one response.
 */
import { connect } from 'node:net'

import { Refusal } from '#host/errors.ts'

import { NSM_ANSWER_MS_MAX, NSM_RESPONSE_BYTES_MAX } from './limits.ts'
import type { NsmDevice } from './nsm.ts'

const LENGTH_BYTES = 4

/** Its answers are refused (`not-attested`) when there are none, or none that is whole. */
export function nsmSocket(path: string): NsmDevice {
  return (request) =>
    new Promise((resolve, reject) => {
      const socket = connect(path)
      const chunks: Uint8Array[] = []
      let received = 0
      const fail = (why: string, cause?: unknown): void => {
        socket.destroy()
        reject(new Refusal('not-attested', `nsm: ${path}: ${why}: start the process that owns the module`, { cause }))
      }
      socket.setTimeout(NSM_ANSWER_MS_MAX, () => fail(`no answer in ${NSM_ANSWER_MS_MAX} ms`))
      socket.on('error', (cause) => fail('nobody listens', cause))
      socket.on('data', (chunk: Uint8Array) => {
        chunks.push(chunk)
        received += chunk.length
        if (received > LENGTH_BYTES + NSM_RESPONSE_BYTES_MAX) fail('a response that is too large')
      })
      socket.on('end', () => {
        const bytes = Uint8Array.from(Buffer.concat(chunks))
        const isWhole = bytes.length >= LENGTH_BYTES && lengthOf(bytes) === bytes.length - LENGTH_BYTES
        if (isWhole) resolve(bytes.slice(LENGTH_BYTES))
        else fail('a response that is not whole')
      })
      const length = new Uint8Array(LENGTH_BYTES)
      new DataView(length.buffer).setUint32(0, request.length)
      socket.write(length)
      socket.write(request)
    })
}

function lengthOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}
