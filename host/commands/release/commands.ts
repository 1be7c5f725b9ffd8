/** `trellis release …`: keys of a provider, and what its log says. Each subcommand is loaded when typed. */
import type { Command } from 'commander'

import type { Draft } from './log-file.ts'
import { surroundings } from '../surroundings.ts'
import { eachOption, parseWhole, someOption } from '../usage.ts'

const LOG_OPTION = ['--log <file>', 'the release log'] as const
const REASON_OPTION = ['--reason <text>', 'why, for owners to read'] as const

const keyOption = () => someOption('--key <file>', 'a signing key; give two')

interface Signing {
  readonly log: string
  readonly key: readonly string[]
  readonly reason: string
}

/** Adds the commands. `columns` is the width to print for. */
export function addReleaseCommands(program: Command, columns: number): void {
  const release = program.command('release').description('Releases: signing keys, and the log of what was published.')
  release
    .command('key')
    .description('Make a signing key; prints its public half, which an image lists with --release-key.')
    .requiredOption('--out <file>', 'where to keep the secret half: a new file, mode 0600')
    .action(async ({ out }: { out: string }) => {
      const { makeKeyFile } = await import('./key-files.ts')
      await makeKeyFile(out)
    })
  release
    .command('show')
    .description('Verify a release log and print it.')
    .argument('<log>', 'the file')
    .addOption(someOption('--release-key <hex>', 'whose signatures count; give each'))
    .option('--json', 'for programs')
    .action(async (log: string, { releaseKey, json = false }: { releaseKey: readonly string[]; json?: boolean }) => {
      const { show } = await import('./show.ts')
      await show(log, { keys: releaseKey, json, columns })
    })
  release
    .command('retire')
    .description('Withdraw a release: nobody may move to it any more.')
    .argument('<number>', 'of the release', parseWhole)
    .requiredOption(...LOG_OPTION)
    .requiredOption(...REASON_OPTION)
    .addOption(keyOption())
    .action((number: number, { log, key, reason }: Signing) =>
      append(log, { kind: 'retire', release: number, reason }, key),
    )
  release
    .command('revoke')
    .description('Say that a handler must not run: by id, below a version, or these very builds of it.')
    .argument('<handler>', 'its id')
    .requiredOption(...LOG_OPTION)
    .requiredOption(...REASON_OPTION)
    .addOption(eachOption('--digest <hex>', 'SHA-384 of a component or manifest; give each'))
    .option('--below <version>', 'nothing below this version may run')
    .addOption(keyOption())
    .action(async (handler: string, options: Signing & { digest: readonly string[]; below?: string }) => {
      const { log, key, reason, digest, below = null } = options
      await append(log, { kind: 'revoke', handler, digests: [...digest], minimum: below, reason }, key)
    })
}

async function append(log: string, draft: Draft, keyFiles: readonly string[]): Promise<void> {
  const { appendEntry } = await import('./log-file.ts')
  const { serial, kind } = await appendEntry(log, draft, { keyFiles, now: surroundings.now() })
  console.log(`${kind}  entry ${serial} of ${log}`)
}
