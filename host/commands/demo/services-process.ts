/** The services in a process of their own: `node services-process.ts FOLDER URL SPACE`, driven by its parent. */
import { connectNats } from '../bus.ts'
import { openFolder } from '../open.ts'
import { answerParent } from './rpc.ts'
import { openServices } from './services.ts'

const [folder, url, space] = process.argv.slice(2)
if (folder === undefined || url === undefined || space === undefined) throw new Error('started by the demo only')
const { vaults } = await openFolder(folder, { create: true })
answerParent(openServices(vaults, await connectNats(url, { name: 'trellis-services', space })))
process.once('disconnect', () => process.exit())
