/** `trellis vault protect|unlock|lock|move|abandon`: what an owner's device has the measured code do with a vault. */
import { type EnclaveClient, enclaveClient } from '#client/sealing.ts'
import { Rejection } from '#enclave/errors.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { Refusal } from '#host/errors.ts'
import { connectNats } from '../bus.ts'
import { paint } from '../paint.ts'
import { readPolicy } from '../policy-file.ts'
import { surroundings } from '../surroundings.ts'
import { openDeviceStore } from './device-store.ts'
import { readSecret, signingSeed, writeNew } from './files.ts'
import { readPin } from './pin.ts'

export type Act = 'protect' | 'unlock' | 'lock' | 'move' | 'abandon'

export interface OrderTyped {
  readonly nats: string
  readonly space?: string
  /** The file of the device's signing key. */
  readonly deviceKey: string
  /** What the device remembers. */
  readonly device: string
  /** Whom to believe, and what code to accept. */
  readonly policy: string
  /** Whether there is a PIN: it is read, never typed as an argument. */
  readonly pin?: boolean
  /** A copy of the owner's secret: to write one when protecting, to read one otherwise. */
  readonly secret?: string
  /** The release that the owner says yes to. */
  readonly approve?: string
}

/** @returns the exit code @throws Refusal what the vault's code refused, or a file that cannot be read */
export async function order(
  act: Act,
  vault: string,
  { connect = connectNats, ...typed }: OrderTyped & { readonly connect?: typeof connectNats },
): Promise<number> {
  const trusted = await readPolicy(typed.policy)
  const signing = generateSigningKey(await signingSeed(typed.deviceKey))
  const store = await openDeviceStore(typed.device)
  await using transport = await connect(typed.nats, {
    name: 'trellis-owner',
    ...(typed.space !== undefined && { space: typed.space }),
  })
  const client = enclaveClient({ ...surroundings, ...trusted, vault, signing, transport, store })
  const pin = typed.pin === true ? await readPin() : undefined
  // Awaited here: the connection is closed on the way out.
  return await give(act, client, {
    pin,
    secret: typed.secret,
    approve: typed.approve,
    say: (line) => console.log(line),
  })
}

interface Said {
  readonly pin: string | undefined
  readonly secret: string | undefined
  readonly approve: string | undefined
  readonly say: (line: string) => void
}

/** One order to the code that has the vault; evidence that is not accepted is said, with its code. */
export async function give(act: Act, client: EnclaveClient, said: Said): Promise<number> {
  try {
    if (said.secret !== undefined && act !== 'protect') await client.importSecret(await readSecret(said.secret))
    return await obeyed(act, client, said)
  } catch (error) {
    if (!(error instanceof Rejection)) throw error
    said.say(`${paint.bad('rejected')}  ${error.code}: ${error.message}`)
    return 1
  }
}

async function obeyed(act: Act, client: EnclaveClient, { pin, secret, approve, say }: Said): Promise<number> {
  switch (act) {
    case 'protect':
      await client.protect(pin)
      if (secret !== undefined) await writeNew(secret, client.exportSecret())
      say('protected: it opens with this code, this device’s secret' + (pin === undefined ? '' : ' and your PIN'))
      if (secret === undefined) say('keep a copy of the secret: without it and this device, the vault is gone')
      return 0
    case 'unlock':
      await client.unlock(pin)
      say('unlocked, until the host ends or it is locked')
      return 0
    case 'lock':
      await client.lock()
      say('locked')
      return 0
    case 'abandon':
      await client.abandon(pin)
      say('the move is abandoned: unlock the vault where it was')
      return 0
    case 'move':
      return moved(client, { pin, approve, say })
  }
}

/** The owner reads what changes first; a yes names the release that was read. */
async function moved(client: EnclaveClient, { pin, approve, say }: Omit<Said, 'secret'>): Promise<number> {
  const { offer } = (await client.attest()).descriptor
  if (!offer)
    throw new Refusal(
      'move-refused',
      'move: nothing is offered: trellis up --succeed has an image wait beside the host',
    )
  if (approve !== offer.release) {
    say(offer.changes)
    say(`to say yes to it: --approve ${offer.release}`)
    return 1
  }
  await client.move(offer, pin)
  say(`on its way to ${offer.release}: accept ${offer.to.toHex()} in your policy, and unlock it there`)
  return 0
}
