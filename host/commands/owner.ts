/** `trellis owner …`: an owner's device at its account. Each group of subcommands is loaded when it is typed. */
import type { Command } from 'commander'

import { addConnectionCommands } from './owner/connection-commands.ts'
import { addEntryCommands } from './owner/entry-commands.ts'
import { addRecoveryCommands } from './owner/recovery-commands.ts'
import { type At, DEVICE, placed } from './owner/options.ts'
import { lines } from './owner/input.ts'
import { terminal } from './owner/screen.ts'
import { usageLine } from './usage.ts'

const IDENTITY = ['--identity <hex>', 'the vault’s fingerprint, from whoever made it'] as const

/** Adds the commands of an owner's device. `columns` is the width to print for. */
export function addOwnerCommands(program: Command, columns: number): void {
  const owner = program
    .command('owner')
    .description('Be an owner’s device: sign up, attach devices, write and share entries, connect, recover.')
    // What each takes is in its own help: so a line of the list fits 80 columns.
    .configureHelp({ subcommandTerm: (command) => command.name() })
  addFirst(owner, columns)
  addDevices(owner, columns)
  addLeaving(owner, columns)
  addEntryCommands(owner, columns)
  addConnectionCommands(owner, columns)
  addRecoveryCommands(owner, columns)
  addAccount(owner, columns)
  for (const command of [owner, ...owner.commands]) {
    const name = command === owner ? 'owner' : `owner ${command.name()}`
    command.configureOutput(usageLine(`trellis ${name} --help says more`))
  }
}

function addFirst(owner: Command, columns: number): void {
  const screen = terminal(columns)
  owner
    .command('new')
    .description('Make a device: its keys, in a new folder. Its verify key is for trellis vault create --device-key.')
    .requiredOption(...DEVICE)
    .action(async ({ device }: At) => (await import('./owner/account.ts')).newDevice(device, screen))
  placed(owner.command('sign-up'))
    .description('Make the account of a vault: this device is its root.')
    .requiredOption('--vault <id>', 'the vault that was made with this device’s verify key')
    .requiredOption(...IDENTITY)
    .option('--name <name>', 'what the vault calls this device', 'phone')
    .option('--label <label>', 'what its owner calls it', 'phone')
    .action(async (typed: At & { vault: string; identity: string; name: string; label: string }) =>
      (await import('./owner/account.ts')).signUpDevice(typed, screen),
    )
  owner
    .command('keys')
    .description('Show the keys of a new device as text, for the one that vouches for it.')
    .requiredOption(...DEVICE)
    .action(async ({ device }: At) => (await import('./owner/account.ts')).showKeys(device, screen))
  placed(owner.command('join'))
    .description('Find the account that this device was attached to: attach on the other says what to type.')
    .requiredOption('--vault <id>', 'the vault')
    .requiredOption(...IDENTITY)
    .requiredOption('--user <hex>', 'the account’s user id')
    .action(async (typed: At & { vault: string; identity: string; user: string }) =>
      (await import('./owner/account.ts')).joinAccount(typed, screen),
    )
  owner
    .command('show-device')
    .description('Say who this device is, and where its vault is reached.')
    .requiredOption(...DEVICE)
    .action(async ({ device }: At) => (await import('./owner/account.ts')).showDevice(device, screen))
}

function addDevices(owner: Command, columns: number): void {
  const screen = terminal(columns)
  placed(owner.command('attach'))
    .description('Vouch for a new device, and share with it what was there before. Reads what its keys command showed.')
    .argument('[frames]', 'a file of them; standard input if it is not said')
    .requiredOption('--label <label>', 'what to call it')
    .option('--expires <date>', 'until when it may write; always if it is not said')
    .action(async (file: string | undefined, typed: At & { label: string; expires?: string }) =>
      (await import('./owner/devices.ts')).attach(await lines(file), typed, screen),
    )
  placed(owner.command('attach-vault'))
    .description(
      'Vouch for the vault’s own device, so that handlers may use what is marked so: check its evidence first.',
    )
    .option('--label <label>', 'what to call it', 'vault')
    .action(async (typed: At & { label: string }) => (await import('./owner/devices.ts')).attachVault(typed, screen))
  placed(owner.command('backfill'))
    .description('Share with a device what it lacks: goes on where attach was interrupted.')
    .argument('<device>', 'its label, or how its id begins')
    .action(async (name: string, typed: At) => (await import('./owner/devices.ts')).backfill(name, typed, screen))
  placed(owner.command('devices'))
    .description('List the devices: who vouches for each, and when the vault last heard it.')
    .option('--json', 'one JSON object per line')
    .action(async (typed: At & { json?: boolean }) => (await import('./owner/devices.ts')).listDevices(typed, screen))
  placed(owner.command('rename'))
    .description('Call a device something else.')
    .argument('<device>', 'its label, or how its id begins')
    .argument('<label>', 'the new one')
    .action(async (name: string, label: string, typed: At) =>
      (await import('./owner/devices.ts')).rename(name, label, typed, screen),
    )
}

function addLeaving(owner: Command, columns: number): void {
  const screen = terminal(columns)
  placed(owner.command('take-over'))
    .description('Sign anew what a device signed, and vouch for whom it vouched for: then it may go.')
    .argument('<device>', 'its label, or how its id begins')
    .action(async (name: string, typed: At) => (await import('./owner/devices.ts')).takeOver(name, typed, screen))
  placed(owner.command('revoke'))
    .description('End a device, after taking over from it. The root ends itself alone, and names its heir.')
    .argument('<device>', 'its label, or how its id begins')
    .option('--lost', 'at once, with all that it vouches for, whatever it signed')
    .option('--heir <device>', 'the device that is the root from then on')
    .action(async (name: string, typed: At & { lost?: boolean; heir?: string }) =>
      (await import('./owner/devices.ts')).revoke(name, typed, screen),
    )
  placed(owner.command('forget'))
    .description('Take a revoked device off the vault’s list of those that may pair.')
    .argument('<device>', 'its label, or how its id begins')
    .action(async (name: string, typed: At) => (await import('./owner/devices.ts')).forget(name, typed, screen))
  placed(owner.command('compare'))
    .description('Show what this device saw; or hold what another showed against it: exit 1 names a split view.')
    .option('--with <file>', 'what compare printed on the other device')
    .action(async (typed: At & { with?: string }) =>
      (await import('./owner/devices.ts')).compare(
        typed.with === undefined ? undefined : await lines(typed.with),
        typed,
        screen,
      ),
    )
}

function addAccount(owner: Command, columns: number): void {
  const screen = terminal(columns)
  placed(owner.command('token'))
    .description('Print a session token of this device, good for 15 minutes.')
    .option('--audience <name>', 'whom it is for; the vault itself if it is not said')
    .action(async (typed: At & { audience?: string }) => (await import('./owner/account.ts')).token(typed, screen))
  placed(owner.command('check-token'))
    .description('Say whose a token is, if it is good.')
    .argument('<token>', 'what token printed')
    .option('--audience <name>', 'whom it is for')
    .action(async (text: string, typed: At & { audience?: string }) =>
      (await import('./owner/account.ts')).checkToken(text, typed, screen),
    )
  placed(owner.command('delete-account'))
    .description('Remove all that devices signed and sealed, and say what remains where.')
    .requiredOption('--confirm <user>', 'the account’s user id')
    .action(async (typed: At & { confirm: string }) =>
      (await import('./owner/account.ts')).deleteAccount(typed, screen),
    )
}
