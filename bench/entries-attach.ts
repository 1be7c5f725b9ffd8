/** A device attached to an account with a history: the one that vouches and the host, in one process, by commands. */
import type { Book } from '#client/entries/book.ts'
import { openAccount } from '#client/account/account.ts'
import { ALICE } from '#host/commands/demo/cast.ts'
import { surroundings } from '#host/commands/surroundings.ts'
import type { VersionWrite } from '#host/entries/model.ts'
import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import { decodeVersion } from '#host/entries/version.ts'
import { draftOf, secretsOf } from './entries-family.ts'
import { account, plant } from './entries.ts'
import { judged, type Report } from './report.ts'
import { openScene } from './scene.ts'

const ENTRIES = 1_000
const VERSIONS = 10

export async function entriesAttach(): Promise<Report> {
  await using scene = await openScene()
  const vault = await scene.host.vaults.find(ALICE.vault)
  if (!vault) throw new Error('the vault is there')
  const { alice } = scene.owner
  const { book, secrets } = await account(scene)
  for (let at = 0; at < ENTRIES; at++) await plant(vault, book, historyOf(book))
  const store = { read: () => Promise.resolve(undefined), write: () => Promise.resolve() }
  // Nothing is remembered: every signature is verified before a version is passed on.
  const phone = await openAccount({ ...surroundings, ...secrets, crypto, owner: alice, user: book.user, store })
  let told = 0
  const [start, cpu] = [performance.now(), process.threadCpuUsage()]
  const id = await phone.devices.attach({ keys: secretsOf().keys, label: 'new' })
  const { shares } = await phone.devices.backfill(id, { progress: () => void told++ })
  const wallMs = performance.now() - start
  const { user, system } = process.threadCpuUsage(cpu)
  if (shares < ENTRIES * VERSIONS) throw new Error(`only ${shares} versions are shared`)
  return {
    title: `   A device attached to ${ENTRIES} entries of ${VERSIONS} versions: device and host, by commands`,
    lines: [
      judged('attach, and share every version, verified first', { value: wallMs / 1_000, unit: 's', most: 8 }),
      judged('  CPU of the thread that both work on', { value: (user + system) / 1e6, unit: 's' }),
      judged('  steps that were told of', { value: told, unit: 'steps' }),
    ],
  }
}

function historyOf(book: Book): VersionWrite[] {
  const writes = [book.create(draftOf('entry'))]
  while (writes.length < VERSIONS) {
    const last = writes.at(-1)
    if (!last) throw new Error('an entry has a version')
    const current = { version: decodeVersion(crypto, last), outline: null, content: () => null }
    writes.push(book.update(current, draftOf('entry')))
  }
  return writes
}
