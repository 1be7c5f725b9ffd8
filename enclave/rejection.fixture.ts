import { Rejection } from './errors.ts'

/** The code a call is rejected with, or `accepted`. Anything else it throws fails the test. */
export function rejectionOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof Rejection) return error.code
    throw error
  }
  return 'accepted'
}
