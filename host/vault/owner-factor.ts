/** The owner's PIN: set, said, forgotten again, and what it protects. */
import { hashPin, isPin, PIN_SALT_BYTES } from '#host/crypto/pin.ts'
import { Refusal } from '#host/errors.ts'
import { KEY_BYTES_MAX, PIN_CHARS_MAX, PIN_CHARS_MIN, UNLOCK_WINDOW_MS_MAX } from '#host/limits.ts'
import { z } from '#host/schema.ts'
import { forgetOwn } from './account/own.ts'
import { type Command, type Done, readCommand } from './command.ts'
import { commit } from './commit.ts'
import { counted, factorChange, factorNeeded } from './factor.ts'
import { namespaceName } from './owner-browse.ts'
import { eventRow } from './rows.ts'

const pin = z.string().min(PIN_CHARS_MIN).max(PIN_CHARS_MAX)
const setting = z.strictObject({
  pin,
  windowMs: z.int().min(0).max(UNLOCK_WINDOW_MS_MAX),
  /** The one before, when there is one. */
  current: z.exactOptional(pin),
})
const said = z.strictObject({ pin })
const nothing = z.strictObject({})
/** After it, what waited for the PIN runs. */
export const UNLOCK = 'vault.unlock'
const protectedItem = z.strictObject({ namespace: namespaceName, key: z.string().min(1).max(KEY_BYTES_MAX) })

/** Sets the PIN, or another one in its place. @throws Refusal `second-factor-wrong` */
export async function setFactor(command: Command): Promise<Done> {
  const { vault, random, now } = command
  const { pin, windowMs, current } = readCommand(setting, command)
  if (vault.factor.record()) await checkPin(command, current ?? '')
  const salt = random(PIN_SALT_BYTES)
  const hash = await hashPin(pin, salt)
  return {
    apply: () => vault.factor.lock(),
    changes: [factorChange({ salt, hash, windowMs, failures: 0, notBefore: now })],
    rows: [told(command)],
  }
}

/** Opens what is critical for as long as the owner set. @throws Refusal `second-factor-wrong`, also when too early */
export async function unlock(command: Command): Promise<Done> {
  const { vault, now } = command
  const { pin } = readCommand(said, command)
  const record = await checkPin(command, pin)
  return {
    body: { until: vault.factor.unlock(now) },
    changes: [factorChange({ ...record, failures: 0, notBefore: now })],
    rows: [told(command)],
  }
}

export function lock(command: Command): Done {
  readCommand(nothing, command)
  const { factor, account } = command.vault
  return {
    apply() {
      factor.lock()
      forgetOwn(account.own)
    },
    rows: [told(command)],
  }
}

/**
 * Makes an item critical: stricter is free, and nothing makes it laxer but removing it. Personal fields, credentials
 * (their proofs), and what handlers read from the namespaces of connections and their own.
 */
export function protectItem(command: Command): Done {
  const { vault } = command
  const { namespace, key } = readCommand(protectedItem, command)
  const item = vault.store.namespace(namespace).get(key)
  const isGuarded =
    namespace === 'personal' ? /^(?:field|credential)\//u.test(key) : /^(?:connection|handler)\//u.test(namespace)
  if (!item || !isGuarded) throw new Refusal('command-invalid', 'no such item, or none that can be protected')
  if (!vault.factor.record()) throw new Refusal('command-invalid', 'set a second factor first: factor.set')
  // What was never shown is not shown to whoever unlocks it either.
  const hidden = item.sensitivity === 'secret' ? ({ visibility: 'opaque' } as const) : {}
  const stricter = { sensitivity: 'critical', ...hidden } as const
  return {
    changes: [{ namespace, key, value: item.value, ...stricter, author: item.author }],
    rows: [told(command, key)],
  }
}

/** Counts the try, durably, before it is looked at: whoever pulls the plug gets no try for nothing. */
async function checkPin({ vault, now, random }: Command, pin: string) {
  const record = vault.factor.record()
  if (!record) throw factorNeeded()
  if (now < record.notBefore) {
    throw new Refusal('second-factor-wrong', `too many tries: wait until ${new Date(record.notBefore).toISOString()}`)
  }
  await commit({ vault, now, random, changes: [factorChange(counted(record, now))], rows: [] })
  if (!(await isPin(pin, record))) throw new Refusal('second-factor-wrong', 'not the right PIN: try again')
  return record
}

function told({ device, opened, now }: Command, ...fields: string[]) {
  return eventRow(device, opened.event, { at: now, result: 'changed', fields })
}
