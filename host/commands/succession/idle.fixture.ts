/** Boots an image that has no host of its own, as `up` does. */
import { measuresOf } from '#enclave/attestor.ts'
import { type Boot, bootImage } from '#enclave/boot.ts'
import { openRegisters } from '#enclave/registers.ts'

export function bootIdle(folder: string): Promise<Boot> {
  const registers = openRegisters()
  return bootImage(folder, {
    measures: measuresOf(registers),
    registers,
    runtime: () => Promise.reject(new Error('an image without a host names no runtime')),
    monotonic: () => 0,
  })
}
