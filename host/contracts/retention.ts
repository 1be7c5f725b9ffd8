/** How long a grant lasts: (retention, when it was given) -> when it ends. */
import { unreachable } from '#host/errors.ts'
import { SESSION_RETENTION_MS } from '#host/limits.ts'

const DAY_MS = 24 * 3_600_000

/** `session` is one working day from the acceptance; `until-revoked` has no end of its own. */
export type Retention =
  | { readonly kind: 'session' }
  | { readonly kind: 'days'; readonly days: number }
  | { readonly kind: 'until-revoked' }

/** How long the grant lasts in ms; `Infinity` for `until-revoked`. */
export function retentionMs(retention: Retention): number {
  switch (retention.kind) {
    case 'session':
      return SESSION_RETENTION_MS
    case 'days':
      return retention.days * DAY_MS
    case 'until-revoked':
      return Infinity
    default:
      return unreachable(retention)
  }
}

/** The first millisecond at which the grant no longer holds; `Infinity` for `until-revoked`. */
export function grantEnds(retention: Retention, grantedAt: number): number {
  return grantedAt + retentionMs(retention)
}

/** For the owner to read: `this session`, `30 days`, `until revoked`. */
export function retentionText(retention: Retention): string {
  switch (retention.kind) {
    case 'session':
      return 'this session'
    case 'days':
      return retention.days === 1 ? '1 day' : `${retention.days} days`
    case 'until-revoked':
      return 'until revoked'
    default:
      return unreachable(retention)
  }
}
