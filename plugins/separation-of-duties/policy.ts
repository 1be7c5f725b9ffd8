/** Who is who, and who may approve what: the owner's word, and what makes no sense in it. */

export interface Person {
  readonly id: string
  readonly name: string
  /** Ids of the connections that are this person, however many: a connection is one person at most. */
  readonly connections: readonly string[]
  readonly roles: readonly string[]
}

export interface Policy {
  /** Grows with every change. */
  readonly version: number
  /** ISO 4217: all amounts are in its smallest unit. */
  readonly currency: string
  /** Amounts over this need two approvers. */
  readonly fourEyesAboveMinor: number
  readonly roles: readonly { readonly role: string; readonly approvesUpToMinor: number }[]
  readonly persons: readonly Person[]
}

/** One person lets another approve in their place, for a while. */
export interface Delegation {
  readonly from: string
  readonly to: string
  /** Milliseconds since the epoch; from this moment on it is over. */
  readonly until: number
}

/** The first mistake in a policy; undefined when there is none. */
export function policyMistake({ roles, persons }: Omit<Policy, 'version'>): string | undefined {
  const known = roles.map(({ role }) => role)
  if (!isDistinct(known)) return 'a role is in it twice'
  if (!isDistinct(persons.map(({ id }) => id))) return 'a person is in it twice'
  if (!isDistinct(persons.flatMap(({ connections }) => connections))) return 'a connection is in it twice'
  if (persons.some((person) => person.roles.some((role) => !known.includes(role)))) return 'a role has no amount'
  return undefined
}

export function personOf({ persons }: Policy, connection: string): Person | undefined {
  return persons.find(({ connections }) => connections.includes(connection))
}

/** The highest amount that any role of this person approves; undefined without a role. */
export function approvesUpTo({ roles }: Policy, person: Person): number | undefined {
  const amounts = roles.filter(({ role }) => person.roles.includes(role)).map((role) => role.approvesUpToMinor)
  return amounts.length > 0 ? Math.max(...amounts) : undefined
}

function isDistinct(values: readonly string[]): boolean {
  return new Set(values).size === values.length
}
