/** One round of `trellis handler dev`: build, check, test, load into the live vault, ask the first cases. */
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Refusal } from '#host/errors.ts'
import { DEV_CASES } from '#host/limits.ts'
import type { Reply } from '#host/wire/reply.ts'
import { printer } from '../demo/print.ts'
import { paint } from '../paint.ts'
import { type Case, readCases } from './cases.ts'
import { findMistakes } from './check.ts'
import type { DevVault, Loaded } from './dev-vault.ts'
import { findHandler, readManifest } from './folder.ts'
import { test } from './test.ts'

export interface DevRounds extends AsyncDisposable {
  /** @returns whether there was no mistake and every case passed */
  round(): Promise<boolean>
  /** Asks what a person typed: a case's number or name, or an event type and its request. */
  type(line: string): Promise<void>
}

/** The vault is made in the first round without mistakes, and is gone with the rounds. */
export function openRounds(path: string, columns: number): DevRounds {
  const parts = new AsyncDisposableStack()
  const print = printer(columns, (line) => console.log(line))
  let vault: DevVault | undefined
  let loaded: Loaded | undefined

  async function load(next: Loaded): Promise<DevVault> {
    loaded = next
    if (vault !== undefined) await vault.load(next)
    else {
      const folder = await mkdtemp(join(tmpdir(), 'trellis-dev-'))
      parts.defer(() => rm(folder, { recursive: true, force: true }))
      // It brings the whole host: a round with mistakes needs none.
      const { openDevVault } = await import('./dev-vault.ts')
      vault = parts.use(
        await openDevVault(folder, next, ({ text, purpose }, choice) =>
          console.log(`${paint.name('owner')}  is asked: ${text ?? purpose}; says ${choice ?? 'yes'}`),
        ),
      )
    }
    return vault
  }

  async function ask(event: string, { name, request }: Pick<Case, 'name' | 'request'>): Promise<void> {
    if (vault === undefined) return console.log('nothing is loaded yet')
    const { answer, traces } = await vault.ask(event, request)
    console.log(`${paint.name('asked')}  ${name} → ${wordsOf(answer)}`)
    for (const trace of traces) print.steps(trace)
  }

  async function live(): Promise<void> {
    const next = await readLoaded(path)
    const started = performance.now()
    await load(next)
    const took = `${Math.round(performance.now() - started)} ms`
    console.log(`\n${paint.good('live')}   a vault, its owner and a service under a contract with it, in ${took}`)
    for (const one of next.cases.slice(0, DEV_CASES)) await ask(one.event, one)
  }

  return {
    async round() {
      const { mistakes } = await findMistakes(findHandler(path))
      for (const mistake of mistakes) console.log(`${paint.bad('NO')}  ${mistake}`)
      if (mistakes.length > 0) return false
      const isGreen = await test(path, columns)
      await live()
      return isGreen
    },
    async type(line) {
      const typed = await readTyped(line, loaded?.cases ?? [])
      await ask(typed.event, typed)
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

async function readLoaded(path: string): Promise<Loaded> {
  const handler = findHandler(path)
  const manifest = await readManifest(handler)
  const [declared, component] = await Promise.all([handler.manifest, handler.component].map((file) => readFile(file)))
  if (declared === undefined || component === undefined) throw new Error('two files were read')
  const files = {
    name: manifest.handler,
    manifest: new Uint8Array(declared),
    component: new Uint8Array(component),
  }
  return { manifest, files, cases: await readCases(handler.cases) }
}

/**
 * `2`, a case's name, `noun.verb` with JSON behind it, or `noun.verb` with the path of a JSON file.
 *
 * @throws Refusal `cases-invalid` when it is none of these
 */
export async function readTyped(
  line: string,
  cases: readonly Case[],
): Promise<Pick<Case, 'event' | 'name' | 'request'>> {
  const found = cases.find(({ name }, at) => name === line || String(at + 1) === line)
  if (found !== undefined) return found
  const [, event = '', rest = ''] = /^([a-z0-9_-]+\.[a-z0-9_-]+)(?:\s+(\S.*))?$/u.exec(line) ?? []
  const text = existsSync(rest) ? await readFile(rest, 'utf8') : rest
  try {
    if (event !== '') return { event, name: event, request: JSON.parse(text === '' ? '{}' : text) as Case['request'] }
  } catch {
    // Told below.
  }
  throw new Refusal('cases-invalid', `${line}: type a case's number or name, or an event type and JSON or a file of it`)
}

function wordsOf(answer: Reply | undefined): string {
  if (answer === undefined) return 'no answer in time'
  if (answer.status === 'replied') return new TextDecoder().decode(answer.body)
  return answer.status === 'refused' ? `no: ${answer.code}: ${answer.message}` : answer.status
}
