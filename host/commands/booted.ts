/** What the first code of an image left for the host it started. */
import type { Boot } from '#enclave/boot.ts'

let left: Boot | undefined

/** Once, before any command. */
export function leaveBoot(boot: Boot): void {
  left = boot
}

/** Undefined for a host that runs from elsewhere than an image. */
export function booted(): Boot | undefined {
  return left
}
