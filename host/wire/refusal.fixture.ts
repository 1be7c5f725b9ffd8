import { Refusal, type RefusalCode } from '#host/errors.ts'

/** The code a call refuses with. Anything else it throws, and not throwing, fails the test. */
export function refusalOf(call: () => unknown): RefusalCode {
  try {
    call()
  } catch (error) {
    if (error instanceof Refusal) return error.code
    throw error
  }
  throw new Error('expected a Refusal')
}
