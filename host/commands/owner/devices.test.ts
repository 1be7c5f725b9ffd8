import { stat } from 'node:fs/promises'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { joinAccount, newDevice, showDevice, showKeys } from './account.ts'
import { attach, attachVault, backfill, compare, forget, listDevices, rename, revoke, takeOver } from './devices.ts'
import { add, edit, list, show } from './entries.ts'
import { type Owners, page, startOwners } from './owner.fixture.ts'

const COMMAND_MS_MAX = 240_000

let owners: Owners
let alice: { user: string; identity: string }

beforeAll(async () => {
  owners = await startOwners()
  alice = await owners.signUp('alice', 'phone')
}, COMMAND_MS_MAX)
afterAll(() => owners[Symbol.asyncDispose]())

const utf8 = new TextEncoder()

async function written(device: string, title: string): Promise<string> {
  const told = page()
  await add({ ...owners.at(device), title, content: utf8.encode(`what ${title} holds`) }, told)
  return told.lines[0] ?? ''
}

/** Makes a device, shows its keys, has the phone vouch for it, and joins. */
async function attached(label: string, by = 'phone'): Promise<void> {
  await newDevice(owners.path(label), page())
  const frames = page()
  await showKeys(owners.path(label), frames)
  expect(frames.lines).toHaveLength(6)
  await attach(frames.lines.toReversed(), { ...owners.at(by), label }, page())
  const joined = page()
  await joinAccount({ ...owners.at(label), vault: 'alice', ...alice }, joined)
  expect(joined.lines).toEqual([`joined as ${label}`])
}

async function devices(device = 'phone'): Promise<string[][]> {
  const told = page()
  await listDevices({ ...owners.at(device), json: true }, told)
  const rows = told.lines.map((line) => JSON.parse(line) as Record<string, string>)
  return rows.map(({ label = '', status = '', role = '', by = '' }) => [label, status, role, by])
}

describe('a device', { timeout: COMMAND_MS_MAX }, () => {
  test('is a folder with files of its owner’s alone, and one key', async () => {
    for (const file of ['device.key', 'device.json', 'memory']) {
      const { mode } = await stat(join(owners.path('phone'), file))
      expect(mode & 0o077).toBe(0)
    }
    await expect(newDevice(owners.path('phone'), page())).rejects.toMatchObject({ code: 'conflict' })
    await expect(showKeys(owners.path('nobody'), page())).rejects.toMatchObject({ code: 'key-missing' })
    const told = page()
    await showDevice(owners.path('phone'), told)
    expect(told.lines.join('\n')).toContain(alice.user)
  })

  test('that is new is attached by its frames, and reads what was there', async () => {
    const entry = await written('phone', 'router')
    await attached('tablet')
    const told = page()
    await show(entry, owners.at('tablet'), told)
    expect(told.lines).toEqual(['title    router', 'kind     note', 'version  1', '', 'what router holds'])
    expect(await devices('tablet')).toEqual([
      ['phone', 'active', 'root', ''],
      ['tablet', 'active', 'device', 'phone'],
    ])
    const more = page()
    await backfill('tablet', owners.at('phone'), more)
    expect(more.lines).toEqual(['0 earlier versions shared with it'])
    expect(more.steps.at(-1)).toMatch(/^shared (\d+)\/\1$/)
  })

  test('is not attached by half its frames, nor by another’s', async () => {
    await newDevice(owners.path('half'), page())
    const frames = page()
    await showKeys(owners.path('half'), frames)
    const typed = { ...owners.at('phone'), label: 'half' }
    expect(() => attach(frames.lines.slice(1), typed, page())).toThrow(/1 are missing/)
    expect(() => attach([], typed, page())).toThrow(/none was read/)
    expect(() => attach(frames.lines, { ...typed, expires: 'soon' }, page())).toThrow(/--expires/)
    const join = joinAccount({ ...owners.at('half'), wait: 1, vault: 'alice', ...alice }, page())
    await expect(join).rejects.toMatchObject({ code: 'bus-unavailable' })
  })

  test('is renamed, taken over from and revoked; then the vault forgets it', async () => {
    await attached('old laptop')
    const entry = await written('old laptop', 'by the laptop')
    const told = page()
    await rename('old laptop', 'laptop', owners.at('phone'), told)
    await takeOver('laptop', owners.at('phone'), told)
    await revoke('laptop', owners.at('phone'), told)
    expect(told.lines.slice(0, 2)).toEqual(['renamed to laptop', 'signed 1 entries anew, vouched for 0 devices'])
    expect(told.lines[2]).toMatch(/^revoked laptop/)
    await expect(list({ ...owners.at('old laptop'), wait: 1 }, page())).rejects.toThrow(/does not know this device/)
    await forget('laptop', owners.at('phone'), told)
    expect((await devices()).find(([label]) => label === 'laptop')?.[1]).toBe('revoked')
    const shown = page()
    await show(entry, owners.at('tablet'), shown)
    expect(shown.lines).toContain('version  2')
    await expect(revoke('laptop', owners.at('phone'), page())).rejects.toMatchObject({ code: 'device-unknown' })
    await expect(revoke('nobody', owners.at('phone'), page())).rejects.toMatchObject({ code: 'device-unknown' })
  })

  test('that is the vault’s own is vouched for, and given what is marked', async () => {
    const entry = await written('phone', 'for handlers')
    await edit(entry, { ...owners.at('phone'), handlers: true }, page())
    const told = page()
    await attachVault({ ...owners.at('phone'), label: 'vault' }, told)
    expect(told.lines[0]).toBe('1 earlier versions shared with it')
    expect((await devices()).at(-1)).toEqual(['vault', 'active', 'vault', 'phone'])
  })

  test('is compared with another: they saw one world', async () => {
    const [here, there] = [page(), page()]
    await compare(undefined, owners.at('tablet'), there)
    const frames = there.lines.filter((line) => line.startsWith('TV1 VIEW'))
    expect(there.lines.at(-1)).toMatch(/^fingerprint [0-9a-f]{20}$/)
    await compare(frames, owners.at('phone'), here)
    expect(here).toMatchObject({ lines: ['both devices were shown one world'], findings: [] })
  })

  test('that is the root goes by its own word, and names its heir', async () => {
    await takeOver('phone', owners.at('tablet'), page())
    const told = page()
    await revoke('phone', { ...owners.at('phone'), heir: 'tablet' }, told)
    expect(told.lines.at(-1)).toMatch(/^revoked phone/)
    expect((await devices('tablet')).slice(0, 2)).toEqual([
      ['phone', 'revoked', 'device', ''],
      ['tablet', 'active', 'root', ''],
    ])
  })
})

test(
  'the list of devices fits the terminal',
  async () => {
    for (const columns of [80, 120]) {
      const told = page(columns)
      await listDevices(owners.at('tablet'), told)
      for (const line of told.lines) expect(line.length).toBeLessThanOrEqual(columns)
      expect(told.lines.join('\n')).toContain('* tablet')
    }
  },
  COMMAND_MS_MAX,
)
