import { err, granted } from './world.ts'

export function get(name: string): string {
  const { fields } = granted()
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  if (value === undefined) throw err('unavailable')
  return value
}
