/** `trellis attest` and `trellis verify`: evidence made, and evidence judged. */
import { type Command, InvalidArgumentError } from 'commander'

import { imageOption } from './usage.ts'

interface Attesting {
  readonly out: string
  readonly image: string
  readonly data?: string
  readonly nsm?: string
  readonly nonce?: Uint8Array
  readonly handler?: string
}

interface Verifying {
  readonly policy: string
  readonly nonce?: Uint8Array
  readonly json?: boolean
}

export function addTrustCommands(program: Command): void {
  program
    .command('attest')
    .description('Measure an image and have it signed: evidence, or with --handler the proof of one handler.')
    .requiredOption('--out <file>', 'where to write it')
    .option('--data <dir>', 'sign in software, by the key of this data folder: hardware: false')
    .option('--nsm <socket>', 'sign by the Nitro security module behind this socket')
    .addOption(imageOption('the image to measure'))
    .option('--nonce <hex>', 'what the asker drew, to know that the evidence is new', parseHex)
    .option('--handler <id>', 'add the proof that this handler is in the image')
    .action(async (options: Attesting) => {
      const { attest } = await import('./attest.ts')
      await attest(options)
    })
  program
    .command('verify')
    .description('Judge evidence, or a handler’s proof, by a policy; exit 1 says the code of the rejection.')
    .argument('<evidence>', 'a file of trellis attest, or an AWS Nitro attestation document')
    .requiredOption('--policy <file>', 'whom to believe and what to accept: docs/trust.md')
    .option('--nonce <hex>', 'must be in the evidence', parseHex)
    .option('--json', 'for programs')
    .action(async (evidence: string, { json = false, ...options }: Verifying) => {
      const { verifyFile } = await import('./evidence.ts')
      process.exitCode = (await verifyFile(evidence, { ...options, json })) ? 0 : 1
    })
}

function parseHex(text: string): Uint8Array {
  try {
    return Uint8Array.fromHex(text)
  } catch {
    throw new InvalidArgumentError('It must be bytes in hex.')
  }
}
