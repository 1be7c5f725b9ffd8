/** FHIR date and dateTime (R5 §2.1.28.0.1), of which a day or a full instant is understood. */

const DAY_MS = 24 * 3_600_000
const DAY = /^(\d{4})-(\d\d)-\d\d$/
const INSTANT = /^(\d{4}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,3})?(Z|[+-]\d\d:\d\d)$/

/** The span that a FHIR time stands for, in ms since the epoch: `to` is the first moment after it. */
export interface Span {
  readonly from: number
  readonly to: number
}

export function isDay(text: string): boolean {
  return dayStart(text) !== undefined
}

/** Undefined for what is no such time: a year, a month, a time without its zone, the 30th of February. */
export function spanOf(text: string): Span | undefined {
  const day = dayStart(text)
  // A day has no zone in FHIR: here it is the day in UTC.
  if (day !== undefined) return { from: day, to: day + DAY_MS }
  const [, date = '', hours, minutes, seconds, fraction = '', zone = ''] = INSTANT.exec(text) ?? []
  const start = dayStart(date)
  if (start === undefined || Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined
  const offset = offsetMs(zone)
  if (offset === undefined) return undefined
  const clock = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000
  const from = start + clock + Math.round(Number(`0${fraction}`) * 1_000) - offset
  return { from, to: from + (fraction === '' ? 1_000 : 10 ** (4 - fraction.length)) }
}

function dayStart(text: string): number | undefined {
  const [, , month] = DAY.exec(text) ?? []
  const at = new Date(`${text}T00:00:00.000Z`)
  // A day that its month does not have is one of the next.
  return month !== undefined && at.getUTCMonth() + 1 === Number(month) ? at.getTime() : undefined
}

/** FHIR's zones: up to fourteen hours either way. */
function offsetMs(zone: string): number | undefined {
  if (zone === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(4))
  if (minutes > 59 || hours * 60 + minutes > 14 * 60) return undefined
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000
}

/** An instant in UTC with milliseconds. */
export function instantText(ms: number): string {
  return new Date(ms).toISOString()
}
