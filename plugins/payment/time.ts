/** Days, months and hours as the owner counts them: at a fixed distance from UTC. */

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

export interface Periods {
  /** Days since 1970-01-01. */
  readonly day: number
  /** Year times twelve, and months since January. */
  readonly month: number
  /** 0 to 23. */
  readonly hour: number
}

export function periodsOf(now: number, utcOffsetMinutes: number): Periods {
  const local = now + utcOffsetMinutes * MINUTE_MS
  const date = new Date(local)
  return {
    day: Math.floor(local / DAY_MS),
    month: date.getUTCFullYear() * 12 + date.getUTCMonth(),
    hour: date.getUTCHours(),
  }
}
