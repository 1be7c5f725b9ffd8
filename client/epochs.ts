/** The client's part in moving a session to its next epoch. */
import { answerRekey, finishRekey, offerRekey, rekeyDue, settleRekey } from '#host/crypto/rekey.ts'
import type { Opened, Session } from '#host/crypto/session.ts'
import type { DataEnvelope } from '#host/wire/envelope.ts'

export interface EpochOptions {
  readonly session: Session
  /** What is bound into messages of the outward lane. */
  readonly bind: Uint8Array
  readonly now: () => number
  readonly random: (length: number) => Uint8Array
  /** Stores the whole session: before anything of the new epoch leaves. */
  readonly save: () => Promise<void>
  readonly publish: (message: Uint8Array) => Promise<void>
}

export interface Epochs {
  /** Offers the next epoch when it is time. */
  turn(): Promise<void>
  /** Takes an offer or an answer of the vault. */
  follow(envelope: DataEnvelope, opened: Opened): Promise<void>
}

export function openEpochs({ session, bind, now, random, save, publish }: EpochOptions): Epochs {
  const moment = () => ({ bind, mid: random(16), now: now() })

  async function keep(message: Uint8Array | undefined): Promise<void> {
    await save()
    if (message) await publish(message)
  }

  return {
    async turn() {
      if (settleRekey(session, now())) await save()
      if (rekeyDue(session, now())) await keep(offerRekey(session, moment()))
    },
    async follow(envelope, opened) {
      if (opened.kind === 'rekey-offer') return keep(answerRekey(session, { envelope, opened }, moment()))
      finishRekey(session, { envelope, opened }, now())
      await save()
    },
  }
}
