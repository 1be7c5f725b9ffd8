/** Contracts that wait for the owner, and connections, from a terminal. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { acceptOffer, declineOffer, listConnections, listOffers, sever } from './connections.ts'
import { type Owners, page, startOwners } from './owner.fixture.ts'

const COMMAND_MS_MAX = 240_000
const alice = { vault: 'alice', device: 'phone' }

let owners: Owners

beforeAll(async () => {
  owners = await startOwners()
  await owners.signUp('alice', 'phone')
}, COMMAND_MS_MAX)
afterAll(() => owners[Symbol.asyncDispose]())

async function offers(): Promise<readonly string[]> {
  const told = page(80)
  await listOffers(owners.at('phone'), told)
  for (const line of told.lines) expect(line.length).toBeLessThanOrEqual(80)
  return told.lines
}

async function connections(): Promise<unknown[]> {
  const told = page()
  await listConnections({ ...owners.at('phone'), json: true }, told)
  return told.lines.map((line) => JSON.parse(line) as unknown)
}

describe('a connection', { timeout: COMMAND_MS_MAX }, () => {
  test('is shown with what it would ask for, accepted without a field, and severed', async () => {
    expect(await offers()).toEqual(['nothing is offered'])
    const connection = await owners.offer('Acme', alice)
    const shown = await offers()
    expect(shown[0]).toBe(`${connection}  Acme, version 1 of 2023-11-14`)
    expect(shown[1]).toBe('  service name: Acme Retail')
    expect(shown.join('\n')).toContain('field email: required, kept until revoked, for "to use email"')
    expect(shown.join('\n')).toContain('field phone: optional, kept this session, for "to use phone"')
    expect(shown.join(' ')).toContain('field shipping_address: on-demand, kept 30 days')
    expect(shown.join('\n')).toContain('permission to request payment: allowed')
    expect(shown.at(-1)).toContain('[--without phone]')
    const required = acceptOffer(connection, { ...owners.at('phone'), without: ['email'] }, page())
    await expect(required).rejects.toMatchObject({ code: 'contract-invalid' })
    expect(await connections()).toMatchObject([{ connection, alias: 'Acme', status: 'proposed', contract: null }])

    const accepted = page()
    await acceptOffer(connection, { ...owners.at('phone'), without: ['phone'] }, accepted)
    expect(accepted.lines).toEqual(['accepted Acme, version 1, without phone'])
    expect(await connections()).toMatchObject([{ status: 'active', declined: ['phone'], contract: { version: 1 } }])
    await expect(acceptOffer(connection, owners.at('phone'), page())).rejects.toThrow(/nothing is offered there/)

    const severed = page()
    await sever(connection, owners.at('phone'), severed)
    expect(severed.lines).toEqual([`severed ${connection}: nothing more is admitted, nor shared over it`])
    const listed = page(80)
    await listConnections(owners.at('phone'), listed)
    expect(listed.lines[1]).toMatch(new RegExp(`^${connection} +Acme +service +severed +version 1$`))
    for (const line of listed.lines) expect(line.length).toBeLessThanOrEqual(80)
  })

  test('is declined, which ends it', async () => {
    const connection = await owners.offer('Umbrella', alice)
    const told = page()
    await declineOffer(connection, owners.at('phone'), told)
    expect(told.lines).toEqual(['declined Umbrella: the connection has ended'])
    expect(await connections()).toContainEqual(expect.objectContaining({ connection, status: 'severed' }))
    await expect(declineOffer(connection, owners.at('phone'), page())).rejects.toMatchObject({
      code: 'command-invalid',
    })
  })
})
