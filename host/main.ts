#!/usr/bin/env node
/** The `trellis` command: parse the arguments, call, print. */
import { Command, CommanderError, Option } from 'commander'

import { exportAudit, printTrail, printVerified, readAudit, trailAsJson, verifyFile } from './commands/audit.ts'
import { addHandlerCommands } from './commands/handler.ts'
import { addImageCommands } from './commands/image/commands.ts'
import { addReleaseCommands } from './commands/release/commands.ts'
import { addInstanceCommands } from './commands/instance.ts'
import { addOwnerCommands } from './commands/owner.ts'
import { addTrustCommands } from './commands/trust.ts'
import type { UpOptions } from './commands/launch.ts'
import { up } from './commands/up.ts'
import { playStory, storyNames } from './commands/story.ts'
import { surroundings } from './commands/surroundings.ts'
import { exitCodeOf, imageOption, tellUsage, usageLine, WRONG_USAGE } from './commands/usage.ts'
import { addVaultCommands } from './commands/vault.ts'
import { Refusal } from './errors.ts'

const columns = process.stdout.columns || 100

const program = new Command('trellis')
  .description('A host that runs vaults: contracts checked on every event, handlers in a sandbox, state sealed.')
  .version('0.1.0')
  .configureOutput(usageLine('trellis --help lists the commands'))
  // Its own `--version` is not that of `image sign`.
  .enablePositionalOptions()
  .exitOverride()

program
  .command('demo')
  .description('Play the system’s main job in seven acts, each asserted; exit 0 only if all came out right.')
  .option('--nats <url>', 'play over this NATS server, host and services in processes of their own')
  .option('--data <dir>', 'keep what is made here (must be new); default: a fresh temporary folder')
  .addOption(new Option('--story <name>', 'play one of the stories instead').choices(storyNames))
  .action(async ({ story, ...options }: { nats?: string; data?: string; story?: string }) => {
    if (story !== undefined) {
      return playStory(story)
    }
    // It brings the handlers' build tools, which the other commands do without.
    const { demo } = await import('./commands/demo.ts')
    process.exitCode = await demo({ ...options, columns })
  })

program
  .command('up')
  .description('Run a host on a data folder until SIGTERM, which drains: what is in hand is finished.')
  .requiredOption('--data <dir>', 'the log, the sealed keys and the key that seals them')
  .option('--nats <url>', 'serve vaults over this NATS server; default: a memory bus that nobody else reaches')
  .addOption(imageOption('the image whose handlers run'))
  .option('--succeed', 'wait beside the host of the folder, and take it over when its vaults’ owners said so')
  .option('--nsm <socket>', 'extend the registers of a Nitro security module, by the process that owns it')
  .option('--hardened', 'shut the host in: its folders, no processes, no code from text; exit 1 when a wall is open')
  .option('--space <name>', 'keep systems on one NATS server apart by this prefix')
  .option('--trace', 'print one JSON line per event')
  .action(async (options: UpOptions) => {
    process.exitCode = await up(options)
  })

const audit = program
  .command('audit')
  // `--vault` may stand behind a subcommand.
  .enablePositionalOptions(false)
  .description('Print the audit trail of a vault and verify its chain; exit 1 names the first bad row.')
  .argument('[dir]', 'the data folder; no host may be running on it')
  .option('--vault <id>', 'the vault to read')
  .option('--json', 'every column of every row, one JSON object per line')
  .action(async (dir: string | undefined, { json, vault }: { json?: boolean; vault?: string }) => {
    const named = whichVault(dir, vault)
    const trail = await readAudit(named.folder, named.id)
    console.log(json ? trailAsJson(trail) : printTrail(trail, columns))
  })

audit
  .command('export')
  .description('Print the trail as JSON lines that anybody can verify, with a checkpoint signed now at the end.')
  .argument('[dir]', 'the data folder; no host may be running on it')
  .action(async (dir: string | undefined, _options: unknown, command: Command) => {
    const { folder, id } = whichVault(dir, command.optsWithGlobals<{ vault?: string }>().vault)
    await exportAudit(folder, id, { now: surroundings.now(), print: (line) => console.log(line) })
  })

audit
  .command('verify')
  .description('Verify an exported trail without the vault; exit 1 names the first bad row.')
  .argument('<file>', 'what export printed')
  .option('--identity <hex>', 'the vault’s fingerprint, from elsewhere')
  .option('--row <number:hash>', 'a row that a device was told of: the trail must hold it')
  .action(async (file: string, known: { identity?: string; row?: string }) => {
    console.log(printVerified(await verifyFile(file, known)))
  })

addVaultCommands(program, columns)
addInstanceCommands(program)
addOwnerCommands(program, columns)
addHandlerCommands(program, columns)
addImageCommands(program, columns)
addReleaseCommands(program, columns)
addTrustCommands(program)
for (const command of program.commands) tellUsage(command)
// `image sign --version` is the image's own: after a command's name, options are that command's.
program.enablePositionalOptions()

function whichVault(folder: string | undefined, id: string | undefined): { folder: string; id: string } {
  if (folder !== undefined && id !== undefined) return { folder, id }
  return program.error('error: name the folder and the vault: <dir> --vault <id>', { exitCode: WRONG_USAGE })
}

function commandNames(): string {
  return new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(program.commands.map((each) => each.name()))
}

try {
  if (process.argv.length === 2) program.error(`error: type a command: ${commandNames()}`, { exitCode: WRONG_USAGE })
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : WRONG_USAGE
  else if (error instanceof Refusal) {
    console.error(`trellis: ${error.message}`)
    process.exitCode = exitCodeOf(error)
  } else throw error
}
