/** Sessions of a device, the operator's backup, and the account's end. */
import type { OwnerEntries } from '#client/owner-entries.ts'
import { sessionMessage, SESSION_CONTEXT } from '#host/entries/session.ts'
import { Refusal } from '#host/errors.ts'

import type { AccountState, Progress } from './state.ts'

export interface AccountSessions {
  /** A token for an audience, the vault itself unless one is named: 15 minutes, checked at each use. */
  token(audience?: string): Promise<{ readonly token: string; readonly expires: number }>
  /** Whose a token is. */
  session(token: string, audience?: string): ReturnType<OwnerEntries['session']>
  /**
   * From the next version on each has a share for the operator's offline key, or none any more.
   *
   * @throws Refusal `command-invalid` when the host offers no backup
   */
  setBackup(isIn: boolean): Promise<void>
  /** Removes all that devices signed and sealed, in steps. Gives in words what remains where. */
  deleteAccount(progress?: Progress): Promise<readonly string[]>
}

export function accountSessions(state: AccountState): AccountSessions {
  const { book, entries, signer } = state
  async function token(audience?: string) {
    const asked = await entries.challenge()
    const whom = audience ?? asked.audience
    const said = sessionMessage({ user: book.user, device: book.device, audience: whom, challenge: asked.challenge })
    const signature = signer.sign(SESSION_CONTEXT, said)
    return entries.token({ challenge: asked.challenge, signature, ...(audience !== undefined && { audience }) })
  }
  return {
    token,
    session: (text, audience) => entries.session(text, audience),
    async setBackup(isIn) {
      await state.refresh()
      const { backupKey } = state.about().instance
      if (isIn && backupKey === null) throw new Refusal('command-invalid', 'backup: the host’s operator offers none')
      if (isIn) await entries.optIn(book.setBackup(backupKey))
      else await entries.optOut(book.setBackup(null))
      await state.refresh()
      await state.save()
    },
    async deleteAccount(progress = () => {}) {
      const { token: proof } = await token()
      for (let removed = 0; ;) {
        const step = await entries.deleteAccount({ token: proof, user: book.user })
        removed += step.removed
        progress(removed, removed + step.left)
        if (step.left === 0) return step.remains
      }
    },
  }
}
