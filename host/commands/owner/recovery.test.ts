import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { changeInstance, makeBackupKey } from '../instance/row.ts'
import { checkToken, deleteAccount, showDevice, token } from './account.ts'
import { add, edit, list } from './entries.ts'
import { openDevice } from './folder.ts'
import { type Owners, page, startOwners } from './owner.fixture.ts'
import { backup, fetchBackup, makeRecoveryFile, openBackupCopy, recover, showRecoveryFile } from './recovery.ts'

const COMMAND_MS_MAX = 240_000
const utf8 = new TextEncoder()

let owners: Owners
let alice: { user: string }
let early: string

beforeAll(async () => {
  owners = await startOwners()
  alice = await owners.signUp('alice', 'phone')
  early = await written('early')
}, COMMAND_MS_MAX)
afterAll(() => owners[Symbol.asyncDispose]())

async function written(title: string): Promise<string> {
  const told = page()
  await add({ ...owners.at('phone'), title, content: utf8.encode(`what ${title} holds`) }, told)
  return told.lines[0] ?? ''
}

test(
  'the operator’s key opens what was written since the opt-in, away from the host',
  async () => {
    const [secret, open] = [owners.path('backup.key'), owners.path('backup.pub')]
    await makeBackupKey({ secret, open })
    await expect(backup(true, owners.at('phone'), page())).rejects.toThrow(/offers none/)
    await changeInstance({ data: owners.data, backupKey: open })
    const none = fetchBackup('alice', { data: owners.data, out: owners.path('none') }, page())
    await expect(none).rejects.toThrow(/did not opt in/)
    await backup(true, owners.at('phone'), page())
    await written('router')
    const [copied, opened] = [page(), page()]
    await fetchBackup('alice', { data: owners.data, out: owners.path('copy') }, copied)
    expect(copied.lines[0]).toMatch(/^2 entries, sealed/)
    expect(await readFile(owners.path('copy'), 'utf8')).not.toContain('router')
    await openBackupCopy(owners.path('copy'), { key: secret, out: owners.path('clear') }, opened)
    expect(opened.findings).toEqual([])
    expect(opened.lines[1]).toMatch(/^1 have no share for this key/)
    const line = JSON.parse(await readFile(owners.path('clear'), 'utf8')) as { title: string; content: string }
    expect([line.title, Buffer.from(line.content, 'base64').toString()]).toEqual(['router', 'what router holds'])
    await backup(false, owners.at('phone'), page())
    await edit(early, { ...owners.at('phone'), title: 'not for the operator' }, page())
    await expect(fetchBackup('alice', { data: owners.data, out: owners.path('no') }, page())).rejects.toThrow(/opt in/)
    await expect(fetchBackup('nobody', { data: owners.data, out: owners.path('no') }, page())).rejects.toMatchObject({
      code: 'vault-unknown',
    })
  },
  COMMAND_MS_MAX,
)

test(
  'a copy for the operator is opened by its key, and as it was written',
  async () => {
    const copy = (await readFile(owners.path('copy'), 'utf8')).split('\n')
    const typed = { key: owners.path('backup.key'), out: owners.path('again') }
    await writeFile(owners.path('shorter'), copy.toSpliced(0, 1).join('\n'))
    await expect(openBackupCopy(owners.path('shorter'), typed, page())).rejects.toMatchObject({ code: 'malformed' })
    const page1 = Buffer.from(copy[2] ?? '', 'base64')
    const at = page1.length - 2_000
    page1[at] = (page1[at] ?? 0) ^ 1
    await writeFile(owners.path('changed'), [copy[0], copy[1], page1.toString('base64')].join('\n'))
    const told = page()
    const opened = openBackupCopy(owners.path('changed'), typed, told).then(
      () => told.findings.length > 0,
      () => true,
    )
    expect(await opened).toBe(true)
    await expect(openBackupCopy(owners.path('copy'), { ...typed, key: owners.path('copy') }, page())).rejects.toThrow(
      /no private backup key/,
    )
  },
  COMMAND_MS_MAX,
)

test(
  'a recovery file is the device again, under its passphrase alone',
  async () => {
    const file = owners.path('recovery')
    const { passphraseFile } = owners
    await makeRecoveryFile(file, { device: owners.path('phone'), passphraseFile }, page())
    const shown = page()
    await showRecoveryFile(file, shown)
    expect(shown.lines[0]).toBe(`user    ${alice.user}`)
    expect(shown.lines[2]).toMatch(/^server {2}trellis:alice\?name=phone&identity=[0-9a-f]{64}$/)
    await writeFile(owners.path('other'), 'another passphrase that is long')
    const wrong = { ...owners.at('new phone'), passphraseFile: owners.path('other') }
    await expect(recover(file, wrong, page())).rejects.toMatchObject({ code: 'recovery-invalid' })
    const told = page()
    await recover(file, { ...owners.at('new phone'), passphraseFile }, told)
    expect(told.lines[0]).toMatch(/^this is phone again: 2 entries/)
    const [before, after] = [page(), page()]
    await showDevice(owners.path('phone'), before)
    await showDevice(owners.path('new phone'), after)
    expect(after.lines.slice(0, 2)).toEqual(before.lines.slice(0, 2))
  },
  COMMAND_MS_MAX,
)

test('what a device remembers is its own: another’s, or a changed one, is refused', async () => {
  const memory = join(owners.path('new phone'), 'memory')
  const bytes = await readFile(memory)
  bytes[40] = (bytes[40] ?? 0) ^ 1
  await writeFile(memory, bytes)
  await expect(openDevice(owners.path('new phone'))).rejects.toMatchObject({ code: 'recovery-invalid' })
})

test(
  'a token is for one audience, and for who holds the key',
  async () => {
    const told = page()
    await token({ ...owners.at('phone'), audience: 'https://door.example' }, told)
    const { token: text } = JSON.parse(told.lines[0] ?? '') as { token: string }
    await checkToken(text, { ...owners.at('phone'), audience: 'https://door.example' }, told)
    expect(JSON.parse(told.lines[1] ?? '')).toMatchObject({ user: alice.user, audience: 'https://door.example' })
    await expect(checkToken(text, owners.at('phone'), page())).rejects.toThrow(/token-invalid/)
  },
  COMMAND_MS_MAX,
)

test(
  'an account is deleted with its id, and what remains is said',
  async () => {
    const told = page()
    const typed = { ...owners.at('phone'), confirm: 'yes' }
    await expect(deleteAccount(typed, page())).rejects.toThrow(new RegExp(alice.user))
    await deleteAccount({ ...typed, confirm: alice.user }, told)
    expect(told.steps.at(-1)).toMatch(/^removed (\d+)\/\1$/)
    expect(told.lines.join('\n')).toMatch(/audit trail/)
    await expect(list(owners.at('phone'), page())).rejects.toThrow(/no account yet/)
  },
  COMMAND_MS_MAX,
)
