/**
 * What goes wrong with an enclave, and the test that shows it is found. A case without its test fails here; the
 * assertion is in the test that is named.
 */
import { readFile } from 'node:fs/promises'

import { describe, expect, test } from 'vitest'

const root = new URL('../', import.meta.url)

/** Case, file, and a line of it that names the test. */
const evidence: readonly (readonly [string, string, string])[] = [
  ['a document of debug mode', 'enclave/documents.fixture.ts', `['debug-mode', 'debug mode'`],
  ['software under a nitro policy', 'enclave/attestor.test.ts', 'software evidence never meets a nitro policy'],
  ['software under a nitro policy, over the wire', 'host/evidence.test.ts', 'what is not accepted is rejected by its'],
  ['stale evidence', 'enclave/documents.fixture.ts', `['too-old', 'yesterday’s'`],
  ['replayed evidence', 'enclave/documents.fixture.ts', `['nonce-mismatch', 'another nonce'`],
  ['replayed evidence, over the wire', 'host/evidence.test.ts', 'an answer to another question is nobody’s'],
  ['a document for another descriptor', 'enclave/documents.fixture.ts', `'user-data-mismatch'`],
  ['a document for another vault', 'host/vault/sealing/guarded.test.ts', 'gives no secret to an enclave that answers'],
  ['an unknown measurement', 'enclave/documents.fixture.ts', `['measurement-unknown', 'another measurement'`],
  ['a retired release', 'host/commands/succession/beside.test.ts', 'is offered no more when its release is withdrawn'],
  ['a retired release, shown to a connection', 'enclave/shown.test.ts', 'a withdrawal is no release'],
  ['a lower release', 'host/vault/sealing/move.test.ts', 'an older release does not open a vault that a newer one'],
  ['a release below the least', 'host/commands/succession/beside.test.ts', 'or below what the running image asks for'],
  ['a log serial that decreases', 'enclave/release-log.test.ts', `'a release number that falls'`],
  ['a log that got shorter, or forked', 'enclave/release-log.test.ts', 'knows when it got shorter, or is another'],
  ['the key of evidence lost', 'host/commands/vault/protect.test.ts', 'a host whose key for evidence was lost'],
]

const sealing: readonly (readonly [string, string, string])[] = [
  ['an approval replayed', 'host/vault/sealing/move.test.ts', `'to another question: a replay'`],
  ['an approval used a second time', 'host/vault/sealing/move.test.ts', 'can be abandoned until the next image was'],
  ['an approval for another vault', 'host/vault/sealing/move.test.ts', `['for another vault'`],
  ['an approval from another source', 'host/vault/sealing/move.test.ts', `['from another source'`],
  ['an approval by a provider’s key', 'host/vault/sealing/move.test.ts', 'no provider’s key, nor another’s'],
  ['two moves at the same time', 'host/vault/sealing/move.test.ts', 'happens once: two at the same time'],
  ['a crash at every step', 'host/vault/sealing/move.test.ts', 'the cuts are all there are'],
  ['a crash, and abandoning', 'host/vault/sealing/move.test.ts', '$name: or abandons, if B was not unlocked'],
  ['header of vault X given to vault Y', 'host/vault/sealing/unlock.test.ts', 'header of vault X given to vault Y'],
  ['header of B given to A, and back', 'host/vault/sealing/move.test.ts', 'with the header of A, nor A’s with B’s'],
  ['a blob that claims another backend', 'enclave/seal.test.ts', 'its kind and measurement are its own'],
  ['a seal of another installation', 'host/vault/sealing/unlock.test.ts', 'a seal from another backend'],
  ['a wrong secret: one error', 'host/vault/sealing/secret.test.ts', 'is wrong by one error, whichever part'],
  ['an older header, newer state', 'host/vault/sealing/secret.test.ts', 'older header and newer state'],
  ['a newer header, older state', 'host/vault/sealing/secret.test.ts', 'newer header and older state'],
  ['another past of the same length', 'host/vault/sealing/guarded.test.ts', 'another one of that length is not its'],
  ['two processes on one file', 'host/vault/sealing/secret.test.ts', 'who finds the file written by another forgets'],
  [
    'writing over another process',
    'host/vault/sealing/guarded.test.ts',
    'another process wrote meanwhile is not written',
  ],
  ['an order for other evidence', 'host/vault/sealing/guarded.test.ts', `['other evidence'`],
  ['an order twice', 'host/vault/sealing/unlock.test.ts', 'is for one evidence: a repeat of it'],
  ['a successor that is not newer', 'host/vault/sealing/move.test.ts', `['to an image that is not newer'`],
]

const image: readonly (readonly [string, string, string])[] = [
  ['any byte of image.json or a handler', 'enclave/mutation.test.ts', 'each byte of image.json and of a handler'],
  ['a handler’s byte flipped', 'enclave/boot.test.ts', `'a changed handler'`],
  ['a handler added', 'enclave/boot.test.ts', `['an added handler'`],
  ['a manifest edited', 'enclave/boot.test.ts', `'a changed manifest'`],
  ['glue edited', 'enclave/boot.test.ts', `'a changed file'`],
  ['the host edited', 'host/commands/hardened.test.ts', `['a changed host'`],
  ['a file more', 'enclave/boot.test.ts', `['an added file'`],
  ['a link', 'enclave/boot.test.ts', `['a linked file'`],
  ['a file swapped after hashing', 'enclave/boot.test.ts', 'a file swapped after hashing changes nothing'],
  ['another module for the engine', 'host/commands/hardened.test.ts', 'would get another module than was listed'],
  ['extending after the lock', 'enclave/attestor.test.ts', 'a locked attestor measures no more'],
  ['registers locked by somebody else', 'enclave/boot.test.ts', 'registers that were locked before are nobody’s'],
  ['two builds in two folders', 'host/commands/hardened.test.ts', 'an image has one root'],
  ['a builder that draws at random', 'host/commands/hardened.test.ts', 'a component that is not the pinned one'],
]

describe.each([
  ['evidence', evidence],
  ['sealing and moving', sealing],
  ['the image', image],
] as const)('%s', (_, cases) => {
  test.each(cases)('%s is tested', async (_case, file, line) => {
    expect(await readFile(new URL(file, root), 'utf8')).toContain(line)
  })
})
