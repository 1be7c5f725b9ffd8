/** `node bench/main.ts [row…]`: measures, prints, compares with what was asked. It never fails for a slow number. */
import { measuredBoot } from './boot.ts'
import { manyConnections } from './connections.ts'
import { hostileCorpus } from './corpus.ts'
import { entriesAttach } from './entries-attach.ts'
import { entriesDevice, entriesHost } from './entries.ts'
import { evidenceCheck } from './evidence.ts'
import { fuelCost } from './fuel.ts'
import { jcoGlue } from './glue.ts'
import { governedRead } from './governed-read.ts'
import { manyHandlers } from './handlers.ts'
import { hostCalls } from './host-call.ts'
import { journalCommits } from './journal.ts'
import { killableCall } from './killable-call.ts'
import { componentLoading } from './loading.ts'
import { describeMachine, watchCores } from './machine.ts'
import { credentialProof } from './proof.ts'
import { quickjsCall } from './quickjs-call.ts'
import { head, printReport, type Report } from './report.ts'
import { runawayHandler } from './runaway.ts'
import { hostStart } from './start.ts'
import { sealedVault } from './unlock.ts'
import { manyVaults } from './vaults.ts'
import { coldOpen, durableCommits, growth, recovery } from './storage.ts'

const rows: Readonly<Record<string, () => Promise<Report>>> = {
  'killable-call': killableCall,
  'quickjs-call': quickjsCall,
  'governed-read': governedRead,
  runaway: runawayHandler,
  corpus: hostileCorpus,
  start: hostStart,
  boot: measuredBoot,
  loading: componentLoading,
  journal: journalCommits,
  commit: durableCommits,
  'cold-open': coldOpen,
  recovery,
  growth,
  connections: manyConnections,
  fuel: fuelCost,
  proof: credentialProof,
  evidence: evidenceCheck,
  glue: jcoGlue,
  'host-call': hostCalls,
  handlers: manyHandlers,
  vaults: manyVaults,
  sealing: sealedVault,
  'entries-device': entriesDevice,
  'entries-host': entriesHost,
  'entries-attach': entriesAttach,
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in rows))
if (unknown.length > 0) {
  console.error(`no row ${unknown.join(', ')}: there are ${Object.keys(rows).join(', ')}`)
  process.exit(2)
}
const started = performance.now()
const cores = watchCores()
for (const line of describeMachine()) console.log(line)
console.log(head())
for (const [name, row] of Object.entries(rows)) {
  if (asked.length === 0 || asked.includes(name)) console.log(printReport(await row()))
}
console.log(`${((performance.now() - started) / 1_000).toFixed(0)} s; ${cores()}`)
