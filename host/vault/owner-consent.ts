/** The owner's word on one request: yes runs it, no refuses it. */
import { Refusal } from '#host/errors.ts'
import { z } from '#host/schema.ts'
import { readCommand, type Command, type Done } from './command.ts'
import { question } from './pending.ts'
import { deny, resume, type Resumed } from './resume.ts'
import { eventRow } from './rows.ts'

const denied = z.strictObject({ question: z.string().max(160) })
const approved = denied.extend({ choice: z.string().optional() })

export async function approveRequest(command: Command): Promise<Done> {
  const { vault, registry, pool, now } = command
  const { question: id, choice } = readCommand(approved, command)
  const asked = question(vault, id, now)
  if (asked.record.factor) throw new Refusal('command-invalid', 'it waits for your PIN: vault.unlock')
  const choices = asked.record.question?.choices ?? []
  if (choices.length === 0 ? choice !== undefined : !choices.includes(choice ?? '')) {
    throw new Refusal('command-invalid', `choose one of: ${choices.join(', ') || 'nothing, a yes is all it takes'}`)
  }
  const resumed = await resume(
    { vault, connection: asked.connection, question: asked, now },
    { registry, pool, yes: { choice: choice ?? null } },
  )
  return done(command, resumed)
}

export function denyRequest(command: Command): Done {
  const { vault, now } = command
  const asked = question(vault, readCommand(denied, command).question, now)
  return done(command, deny({ vault, connection: asked.connection, question: asked, now }, 'consent-denied'))
}

function done({ device, opened, now }: Command, { row, ...resumed }: Resumed): Done {
  return {
    ...resumed,
    rows: [
      row,
      eventRow(device, opened.event, { at: now, result: 'accepted', connection: row.connection, fields: row.fields }),
    ],
  }
}
