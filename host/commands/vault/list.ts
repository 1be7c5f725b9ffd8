/** `trellis vault list`. */
import { Refusal } from '#host/errors.ts'
import { openFolder } from '../open.ts'
import { table } from '../table.ts'

/** @throws Refusal why the folder cannot be opened. A vault that cannot be is a line that says so */
export async function listVaults(folder: string, columns: number): Promise<void> {
  await using opened = await openFolder(folder, { create: false })
  const rows = [['vault', 'connections', 'items', 'bytes', 'commits', 'state']]
  for (const id of await opened.vaults.names()) {
    try {
      using lease = await opened.vaults.hold(id)
      if (!lease) rows.push([id, '', '', '', '', 'a key without a vault'])
      else {
        const { connections, store } = lease.vault
        const { size, head } = store
        rows.push([id, ...[connections.size, size.items, size.bytes, head.sequence].map(String), 'ok'])
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      rows.push([id, '', '', '', '', error.code])
    }
    await opened.vaults.makeRoom(0)
  }
  console.log(table(rows, columns))
}
