/** `trellis demo`: the system's main job on real input, in seven acts. Every act is asserted, not just printed. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { makeImage } from '../../scripts/build-image.ts'
import { printTrail, readAudit } from './audit.ts'
import { ActFailed, consent, handshake, must, onDemand, type Play } from './demo/acts.ts'
import { challenge, newVersion, refusals, sever } from './demo/acts-refused.ts'
import { ALICE } from './demo/cast.ts'
import { mailbox } from './demo/mailbox.ts'
import { printer } from './demo/print.ts'
import { memoryStage } from './demo/stage-memory.ts'
import { natsStage } from './demo/stage-nats.ts'
import type { Stage } from './demo/stage.ts'
import { makeDataFolder } from './files.ts'
import { paint } from './paint.ts'

export interface DemoOptions {
  /** Play over this NATS server, with the host and the services in processes of their own. */
  readonly nats?: string
  /** Keep everything here; a fresh temporary folder by default. */
  readonly data?: string
  readonly columns: number
}

/** Resolves with the exit code: 0 only if every act came out as it should. */
export async function demo(options: DemoOptions): Promise<number> {
  const started = performance.now()
  const print = printer(options.columns, (line) => console.log(line))
  const folder = options.data ?? (await mkdtemp(join(tmpdir(), 'trellis-')))
  await makeDataFolder(folder)
  const image = join(folder, 'image')
  const plugins = await makeImage(image)
  const stage =
    options.nats === undefined ? await memoryStage(folder, image) : await natsStage(folder, image, options.nats)
  await using _ = stage
  console.log(paint.title(`Trellis demo: ${stage.title}`))
  print.note(
    `handlers ${plugins.map(({ name, isNew }) => (isNew ? `${name} (built)` : name)).join(', ')}; data in ${folder}`,
  )
  try {
    await play(stage, print)
    await stage.close()
    const trail = await readAudit(join(folder, 'alice'), ALICE.vault)
    must(trail.rows.length > 0, 'the audit trail is not empty')
    console.log(`\n${paint.title("The audit trail of Alice's vault")}`)
    console.log(printTrail(trail, options.columns))
  } catch (error) {
    if (!(error instanceof Error)) throw error
    console.log(
      `  ${paint.bad('✗')} ${error instanceof ActFailed ? 'not as it should be' : error.name}: ${error.message}`,
    )
    if (!(error instanceof ActFailed)) console.error(error.stack)
    return 1
  }
  const seconds = ((performance.now() - started) / 1_000).toFixed(1)
  console.log(`\n${paint.good('every act came out as it should')} in ${seconds} s`)
  print.note(`look again: npx trellis audit ${join(folder, 'alice')} --vault ${ALICE.vault}`)
  return 0
}

async function play(stage: Stage, print: ReturnType<typeof printer>): Promise<void> {
  const offers = mailbox<Parameters<Parameters<Stage['alice']['onOffer']>[0]>[0]>()
  const questions = mailbox<Parameters<Parameters<Stage['alice']['onQuestion']>[0]>[0]>()
  stage.alice.onOffer(offers.put)
  stage.alice.onQuestion(questions.put)
  const staged: Play = { stage, print, nextOffer: offers.take, nextQuestion: questions.take, connections: new Map() }
  print.act(1, 'Handshake: discover, present, accept')
  await handshake(staged, 'acme', ['phone'])
  print.act(2, 'On demand: the shipping address')
  await onDemand(staged)
  print.act(3, 'Consent: the date of birth, across a crash')
  await consent(staged)
  print.act(4, 'Refusals: each with its own code')
  await refusals(staged)
  print.act(5, 'Challenge: a nonce signed with the connection’s key')
  await challenge(staged)
  print.act(6, 'A new contract version')
  await newVersion(staged)
  print.act(7, 'Sever')
  await sever(staged)
}
