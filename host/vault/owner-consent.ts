/** The owner's word on one request: yes runs it, no refuses it. */
import { z } from '#host/schema.ts'
import { readCommand, type Command, type Done } from './command.ts'
import { question } from './pending.ts'
import { deny, resume, type Resumed } from './resume.ts'
import { eventRow } from './rows.ts'

const answered = z.strictObject({ question: z.string().max(160) })

export async function approveRequest(command: Command): Promise<Done> {
  const { vault, registry, pool, now } = command
  const asked = question(vault, readCommand(answered, command).question, now)
  return done(command, await resume({ vault, connection: asked.connection, question: asked, now }, { registry, pool }))
}

export function denyRequest(command: Command): Done {
  const { vault, now } = command
  const asked = question(vault, readCommand(answered, command).question, now)
  return done(command, deny({ vault, connection: asked.connection, question: asked, now }, 'consent-denied'))
}

function done({ device, opened, now }: Command, { answer, outgoing, changes, expected, row }: Resumed): Done {
  return {
    answers: [answer],
    outgoing,
    changes,
    expected,
    rows: [
      row,
      eventRow(device, opened.event, { at: now, result: 'accepted', connection: row.connection, fields: row.fields }),
    ],
  }
}
