/** Which subjects are kept until acknowledged: the delivery class of each event type, as subjects. */
import type { Lanes } from './messaging/port.ts'
import { sharedTypes } from './vault/account/shared.ts'
import { sandboxTypes } from './vault/sandbox/hear.ts'

/** Event types by delivery class, as the registry knows them. */
export interface Classes {
  readonly critical: readonly string[]
  readonly bestEffort: readonly string[]
}

/** What the host answers itself. A profile is asked for again; everything else must not get lost. */
const own: Classes = {
  critical: [
    'catalogue.get',
    'connection.hello',
    'connection.accept',
    'connection.confirm',
    'connection.end',
    'contract.publish',
    'evidence.get',
    'session.answer',
    'session.rekey',
    ...sharedTypes,
    ...sandboxTypes.critical,
  ],
  bestEffort: ['profile.evidence', 'profile.get', ...sandboxTypes.bestEffort],
}

const subject = (type: string): string => `MessageSpace.*.fromService.*.${type}`

export function lanesOf({ critical, bestEffort }: Classes): Lanes {
  return {
    critical: [...own.critical, ...critical].map(subject).concat('OwnerSpace.*.forVault.*.*'),
    bestEffort: [...own.bestEffort, ...bestEffort].map(subject),
  }
}

/** Whether a lane brings the messages of a subject. */
export function captured({ critical, bestEffort }: Classes): (subject: string) => boolean {
  const types = new Set([own.critical, own.bestEffort, critical, bestEffort].flat())
  return (subject) => types.has(subject.split('.').slice(-2).join('.'))
}

/** Whether a message on a subject is kept by its lane until it is acknowledged. */
export function kept({ critical }: Pick<Classes, 'critical'>): (subject: string) => boolean {
  const types = new Set([...own.critical, ...critical])
  return (subject) => subject.startsWith('OwnerSpace.') || types.has(subject.split('.').slice(-2).join('.'))
}
