/** Images of handlers that nobody runs, and the commands about them. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

import { Command, CommanderError } from 'commander'
import { expect, vi } from 'vitest'

import { buildImage, type ImageParts, writeImage } from '#enclave/image.ts'
import { Refusal } from '#host/errors.ts'
import { addImageCommands } from './image/commands.ts'
import { addReleaseCommands } from './release/commands.ts'
import { addTrustCommands } from './trust.ts'
import { exitCodeOf, WRONG_USAGE } from './usage.ts'

/** The commands in this process: a process of its own for each would take most of the time. */
export async function trellis(...args: readonly string[]): Promise<{ code: unknown; out: string; errors: string[] }> {
  const program = new Command('trellis').exitOverride()
  addImageCommands(program, 100)
  addReleaseCommands(program, 100)
  addTrustCommands(program)
  const quiet = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => undefined })
    command.commands.forEach(quiet)
  }
  quiet(program)
  const [out, errors]: [string[], string[]] = [[], []]
  using log = vi.spyOn(console, 'log').mockImplementation((line: string) => void out.push(line))
  using error = vi.spyOn(console, 'error').mockImplementation((line: string) => void errors.push(line))
  let code: unknown
  try {
    await program.parseAsync(['node', 'trellis', ...args])
    code = process.exitCode ?? 0
  } catch (thrown) {
    if (thrown instanceof CommanderError) code = WRONG_USAGE
    else if (thrown instanceof Refusal) {
      errors.push(`trellis: ${thrown.message}`)
      code = exitCodeOf(thrown)
    } else throw thrown
  }
  process.exitCode = undefined
  expect([log, error]).toHaveLength(2)
  return { code, out: stripVTControlCharacters(out.join('\n')), errors }
}

export interface ImageHandler {
  readonly id: string
  readonly code?: string
  readonly changes?: object
}

/** An image of handlers that nobody runs, in `folder`. */
export async function makeIdleImage(
  folder: string,
  handlers: readonly ImageHandler[],
  { wit = 'package trellis:handler@0.1.0;', ...parts }: ImageParts & { readonly wit?: string } = {},
): Promise<void> {
  const files: string[] = []
  const put = async (path: string, text: string) => {
    await mkdir(join(folder, path, '..'), { recursive: true })
    await writeFile(join(folder, path), text)
    files.push(path)
  }
  for (const { id, code = 'code', changes } of handlers) {
    const event = { type: `${id}.ask`, delivery: 'critical', permission: null, approval: 'never', fields: null }
    const manifest = {
      handler: id,
      version: '1.0.0',
      summary: `Answers for ${id}.`,
      author: 'somebody',
      runtime: 'component',
      events: [{ ...event, request: {}, reply: {} }],
      needs: {},
      ...changes,
    }
    await put(`components/${id}.wasm`, code)
    await put(`manifests/${id}.json`, JSON.stringify(manifest))
  }
  await put('wit/world.wit', wit)
  await writeImage(folder, await buildImage(folder, files, parts))
}
