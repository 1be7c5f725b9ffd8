/** `trellis vault verify`. */
import { Refusal } from '#host/errors.ts'
import { allRows, trailBase, trailHead, verifyTrail } from '#host/storage/audit.ts'
import { openFolder } from '../open.ts'

/**
 * Opening a vault checks each of its frames: key, order, chain. Says whether all is well.
 *
 * @throws Refusal why the folder cannot be opened, `vault-unknown`
 */
export async function verifyVaults(folder: string, only: string | undefined): Promise<boolean> {
  await using opened = await openFolder(folder, { create: false })
  const names = await opened.vaults.names()
  if (only !== undefined && !names.includes(only)) throw unknown(only)
  let isWell = true
  for (const id of only === undefined ? names : [only]) {
    try {
      using lease = await opened.vaults.hold(id)
      if (!lease) throw unknown(id)
      const { store } = lease.vault
      const audit = store.namespace('audit')
      const head = trailHead(audit)
      verifyTrail(allRows(audit), head, trailBase(audit))
      const chain = store.head.chain.toHex().slice(0, 16)
      console.log(`${id}: ok, commit ${store.head.sequence}, chain ${chain}…, ${head.sequence} audit rows`)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      console.log(`${id}: ${error.code}, ${error.message}`)
      isWell = false
    }
    await opened.vaults.makeRoom(0)
  }
  return isWell
}

function unknown(id: string): Refusal {
  return new Refusal('vault-unknown', `no vault ${id}: trellis vault list says which there are`)
}
