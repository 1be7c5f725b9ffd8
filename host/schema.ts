/** Checks of decoded values: the one importer of zod. Open to every room, like errors and limits. */
import { z } from 'zod'

import { Refusal, type RefusalCode } from '#host/errors.ts'

export { z }

/** Exactly `length` bytes. */
export function bytesOf(length: number): z.ZodType<Uint8Array> {
  return z.instanceof(Uint8Array).refine((value) => value.length === length, `must be ${length} bytes`)
}

/** As many as the whole message may have: who reads them has a limit of their own. */
export const anyBytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array)

/** At most `max` bytes. */
export function bytesUpTo(max: number): z.ZodType<Uint8Array> {
  return z.instanceof(Uint8Array).refine((value) => value.length <= max, `must be at most ${max} bytes`)
}

/** Milliseconds since the epoch. */
export const timestamp = z.number().int().min(0).max(8_640_000_000_000_000)

/**
 * Checks a decoded value and names every mistake with its path in one message.
 *
 * @throws Refusal with the given code
 */
export function check<T>(schema: z.ZodType<T>, value: unknown, code: RefusalCode, what: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new Refusal(code, `${what}: ${mistakes(result.error).join('; ')}`)
}

/** Every mistake as `path: message`, in the order found. */
export function mistakes(error: z.ZodError): string[] {
  return error.issues.map((issue) => `${issue.path.map(String).join('.') || '(root)'}: ${issue.message}`)
}
