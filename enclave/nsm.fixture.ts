/** A security module that signs with a chain of its own, as QEMU's and the real one answer. */
import { createServer, type Server } from 'node:net'

import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import type { NsmDevice } from './nsm.ts'
import { makeDocument, type Pki, REGISTERS } from './pki.fixture.ts'
import { openRegisters } from './registers.ts'

interface Fields {
  readonly index: number
  readonly data: Uint8Array
  readonly range: number
  readonly user_data: Uint8Array | null
  readonly nonce: Uint8Array | null
  readonly public_key: Uint8Array | null
}

export function fakeNsm(pki: Pki): NsmDevice {
  const registers = openRegisters()
  const locked = new Set<number>()
  return async (request) => {
    const [[kind, fields] = []] = Object.entries(decodeCbor(request) as unknown as Readonly<Record<string, Fields>>)
    if (kind === 'ExtendPCR' && fields) {
      if (fields.index > 31) return encodeCbor({ Error: 'InvalidIndex' })
      if (locked.has(fields.index)) return encodeCbor({ Error: 'ReadOnlyIndex' })
      registers.extend(fields.index, fields.data)
      return encodeCbor({ ExtendPCR: { data: registers.read().get(fields.index) ?? null } })
    }
    if (kind === 'LockPCRs' && fields) {
      for (let index = 0; index < fields.range; index++) locked.add(index)
      return encodeCbor('LockPCRs')
    }
    if (kind === 'Attestation' && fields) {
      const pcrs = new Map([...[...registers.read()].filter(([index]) => locked.has(index)), ...REGISTERS])
      return encodeCbor({ Attestation: { document: makeDocument(pki, { ...fields, pcrs }) } })
    }
    return encodeCbor({ Error: 'InvalidOperation' })
  }
}

/** The process that owns the device, as `docs/trust.md` describes it. */
export function serveNsm(device: NsmDevice, path: string): Promise<Server> {
  const server = createServer((socket) => {
    let held = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk])
      if (held.length < 4 || held.length < 4 + held.readUInt32BE()) return
      void device(Uint8Array.from(held.subarray(4))).then((response) => {
        const length = Buffer.alloc(4)
        length.writeUInt32BE(response.length)
        socket.end(Buffer.concat([length, response]))
      })
    })
  })
  return new Promise((resolve) => server.listen(path, () => resolve(server)))
}
