/** What a service is to believe of Alice's host: whose evidence, and which code. It comes by another way. */
import { join } from 'node:path'

import { openSoftwareAttestor } from '#enclave/attestor.ts'
import { measuredRegisters } from '#enclave/measure.ts'
import { openShowing } from '#enclave/showing.ts'
import type { Showing } from '#host/crypto/enclave.ts'
import { openAttestorKey } from '../attest.ts'
import { type MeasuredImage, readMeasured } from '../image/read.ts'
import { surroundings } from '../surroundings.ts'

/** Plain data: it crosses to the services' process. Hex. */
export interface Expected {
  readonly key: string
  readonly measurement: string
}

export async function expectedOf(folder: string, image: string): Promise<Expected & { readonly image: MeasuredImage }> {
  const measured = await readMeasured(image)
  const { publicKey } = await openAttestorKey(join(folder, 'alice'), () => undefined)
  return { key: publicKey.toHex(), measurement: measured.measurement.toHex(), image: measured }
}

/** What the host in the demo's own process shows of itself. */
export async function showingIn(folder: string, { measure }: MeasuredImage): Promise<Showing> {
  const key = await openAttestorKey(folder)
  const about = { key, now: surroundings.now, warn: () => undefined, registers: measuredRegisters(measure) }
  const attestor = openSoftwareAttestor(about)
  return openShowing({ attest: (asked) => attestor.attest(asked), measure, listed: () => undefined })
}
