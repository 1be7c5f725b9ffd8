/**
 * Answers for evidence: what code has the vault that is asked. Nothing of the owner's is in it. Before a contract it is
 * asked as a profile is, unsealed; a connection with a contract asks as it asks for anything.
 */
import {
  boundToProfile,
  decodeEvidenceQuestion,
  encodeEvidenceAnswer,
  type EvidenceQuestion,
} from '#host/contracts/evidence.ts'
import type { Showing } from '#host/crypto/enclave.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { Refusal } from '#host/errors.ts'
import { MESSAGE_CHARS_MAX } from '#host/limits.ts'
import { admitOwn } from './admit.ts'
import { commit } from './commit.ts'
import type { Opened } from './open.ts'
import type { Letter } from './outbox.ts'
import type { Connection } from './party.ts'
import { eventRow } from './rows.ts'
import type { Vault } from './vault.ts'

/**
 * The answer to an unsealed question. A refusal is an answer, too: there is no session to refuse in.
 *
 * @throws Refusal `malformed`, `too-large` for what is no question
 */
export async function shownTo(
  data: Uint8Array,
  { vault, showing }: { readonly vault: Vault; readonly showing: Showing | undefined },
): Promise<Uint8Array> {
  const asked = decodeEvidenceQuestion(data)
  const { nonce } = asked
  try {
    return encodeEvidenceAnswer({ nonce, shown: await show(asked, { vault, showing }) })
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const message = error.message.slice(0, MESSAGE_CHARS_MAX)
    return encodeEvidenceAnswer({ nonce, refused: error.code, message })
  }
}

/**
 * The answer to a connection.
 *
 * @throws ContractRefusal as for any event; Refusal `malformed`, `too-large`, `not-attested`, `image-unlisted`
 */
export async function evidence(
  opened: Opened,
  connection: Connection,
  options: { showing: Showing | undefined; now: number; random: (length: number) => Uint8Array },
): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const { showing, now, random } = options
  // It costs a token like any other event; every contract has it.
  const expected = admitOwn(opened, connection, now)
  const asked = decodeEvidenceQuestion(event.body)
  const shown = await show(asked, { vault, showing })
  const body = encodeEvidenceAnswer({ nonce: asked.nonce, shown })
  return commit({
    vault,
    now,
    random,
    opened,
    expected,
    answers: [{ to: connection, event, reply: { status: 'replied', body } }],
    rows: [eventRow(connection, event, { at: now, result: 'replied', fields: [] })],
  })
}

function show(
  { nonce, handler, logSize }: EvidenceQuestion,
  { vault, showing }: { readonly vault: Vault; readonly showing: Showing | undefined },
): Promise<Uint8Array> {
  if (!showing) throw new Refusal('not-attested', 'this host attests nothing: trellis up starts one that does')
  const userData = boundToProfile(nativeCrypto, { vault: vault.id, hash: vault.profile.hash })
  return showing.show({ nonce, userData, handler, logSize })
}
