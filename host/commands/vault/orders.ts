/** The commands of an owner's device about the code that has its vault. */
import type { Command } from 'commander'

import type { Act, OrderTyped } from './protect.ts'

const ORDERS: readonly (readonly [Act, string])[] = [
  ['protect', 'Have a vault open only for the code that runs and your device’s secret, with a PIN if you want.'],
  ['unlock', 'Open a protected vault after its host started.'],
  ['lock', 'Close a protected vault until you unlock it.'],
  ['move', 'Read what the next image changes; with --approve, let the vault go there.'],
  ['abandon', 'Take a move back, until the vault was unlocked in the next image.'],
]

export function addOrders(vault: Command): void {
  for (const [act, description] of ORDERS) {
    const command = vault
      .command(act)
      .description(description)
      .argument('<id>', 'the vault')
      .requiredOption('--nats <url>', 'the server its host is on')
      .requiredOption(
        '--device-key <file>',
        'the device’s signing key: of vault create --new-device-key, or DEVICE/device.key',
      )
      .requiredOption('--device <dir>', 'what this device remembers, your secret too: keep it to yourself')
      .requiredOption('--policy <file>', 'whom to believe and what code to accept: docs/trust.md')
      .option('--space <name>', 'the host’s prefix on that server')
    if (act !== 'lock') command.option('--pin', 'ask for the PIN, or read it from stdin')
    if (act === 'protect') command.option('--secret <file>', 'write a copy of the secret: a new file')
    else if (act !== 'lock') command.option('--secret <file>', 'take the secret over from this copy')
    if (act === 'move') command.option('--approve <release>', 'say yes to this release')
    command.action(async (id: string, typed: OrderTyped) => {
      const { order } = await import('./protect.ts')
      process.exitCode = await order(act, id, typed)
    })
  }
}
