/** The host as an image holds it: started by the image's first code, from the bytes that were measured. */
import type { Boot } from '#enclave/boot.ts'
import { leaveBoot } from './booted.ts'

export async function run(boot: Boot): Promise<void> {
  leaveBoot(boot)
  await import('../main.ts')
}
