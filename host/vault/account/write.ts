/** What devices send, read at the edge: limits first, then ids. */
import { SIGNATURE_BYTES } from '#host/entries/device.ts'
import { parseDeviceId } from '#host/entries/ids.ts'
import { CONTENT_BYTES_MAX, HEADER_BYTES_MAX, OUTLINE_BYTES_MAX, RECIPIENTS_MAX } from '#host/entries/limits.ts'
import type { Channel, Share, VersionWrite } from '#host/entries/model.ts'
import { SHARE_BYTES } from '#host/entries/share.ts'
import { KEM_CIPHERTEXT_BYTES } from '#host/wire/envelope.ts'
import { bytesOf, bytesUpTo, z } from '#host/schema.ts'

const id = bytesOf(32).transform(parseDeviceId)
const epoch = z
  .int()
  .min(1)
  .max(2 ** 32 - 1)

/** `[sharer, recipient, epoch, ciphertext]`. */
export const channelSchema = z
  .tuple([id, id, epoch, bytesOf(KEM_CIPHERTEXT_BYTES)])
  .transform(([sharer, recipient, epoch, ciphertext]): Channel => ({ sharer, recipient, epoch, ciphertext }))

/** `[sharer, recipient, epoch, sealed]`. */
export const shareSchema = z
  .tuple([id, id, epoch, bytesOf(SHARE_BYTES)])
  .transform(([sharer, recipient, epoch, sealed]): Share => ({ sharer, recipient, epoch, sealed }))

export const versionWrite = z.strictObject({
  header: bytesUpTo(HEADER_BYTES_MAX),
  signature: bytesOf(SIGNATURE_BYTES),
  outline: bytesUpTo(OUTLINE_BYTES_MAX).nullable(),
  content: bytesUpTo(CONTENT_BYTES_MAX).nullable(),
  channels: z.array(channelSchema).max(RECIPIENTS_MAX),
  shares: z.array(shareSchema).max(RECIPIENTS_MAX),
}) satisfies z.ZodType<VersionWrite>
