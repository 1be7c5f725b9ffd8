/**
 * Every limit stops what it is for, and nothing else does: each case runs under the limit, where it ends as it must,
 * and once more with that one limit raised, where it must not. A limit that nobody looks at fails the first half; a
 * case that some other check ends fails the second.
 */
import { afterEach, describe, expect, test, vi } from 'vitest'

import * as common from '#host/limits.ts'
import * as own from '#host/plugin/limits.ts'

import { ACCEPTED, replyOf } from './fixtures/text.ts'

type LimitName = keyof typeof common | keyof typeof own
type Constants = Partial<Record<LimitName, number>>

const real = { ...common, ...own }
const RAISED = 2 ** 31 - 1

/** The loader and the pool with other constants. The threads they start are told theirs, or read the real ones. */
async function openHouse(constants: Constants) {
  vi.resetModules()
  vi.doMock('#host/limits.ts', () => ({ ...common, ...constants }))
  vi.doMock('#host/plugin/limits.ts', () => ({ ...own, ...constants }))
  const { textRegistry } = await import('./fixtures/text.ts')
  const { createPool } = await import('./pool.ts')
  const stage = await import('./fixtures/stage.ts')
  return { textRegistry, createPool, ...stage }
}

afterEach(() => {
  vi.doUnmock('#host/limits.ts')
  vi.doUnmock('#host/plugin/limits.ts')
  vi.resetModules()
})

/** How it ends: `ended`, or what it was refused with. */
async function endOf(run: () => Promise<unknown>): Promise<string> {
  try {
    await run()
    return 'ended'
  } catch (error) {
    return error instanceof Error && 'code' in error ? `${String(error.code)}: ${error.message}` : String(error)
  }
}

const head = (version: number) => [0, 0x61, 0x73, 0x6d, version, 0, version === 1 ? 0 : 1, 0]
const lists = Array.from({ length: 40 }, (_, at) => `(type $l${at + 1} (list $l${at}))`).join(' ')

/** What is too large, by the limit it is too large for, and what the refusal says. */
const files: readonly (readonly [LimitName, string, string | Uint8Array | { readonly component: string }])[] = [
  ['CORE_MEMORIES_MAX', '5 memories', 'many-memories'],
  ['HANDLER_MEMORY_BYTES', 'bytes of memory', 'starts-with-too-much-memory'],
  ['TABLE_ELEMENTS_MAX', 'a table of', 'huge-table'],
  ['CORE_TABLES_MAX', '9 tables', 'many-tables'],
  ['CORE_INSTANCES_MAX', 'core instances', 'many-instances'],
  ['CORE_FUNCTIONS_MAX', 'core functions', 'many-functions'],
  ['CORE_IMPORTS_MAX', 'core imports', 'many-imports'],
  ['CORE_SEGMENTS_MAX', 'core segments', 'many-segments'],
  ['MUTABLE_GLOBALS_MAX', 'mutable globals', 'many-globals'],
  ['CODE_LOCALS_MAX', 'local variables', 'many-locals'],
  ['CODE_BRANCHES_MAX', 'branch tables', 'branch-bomb'],
  ['CODE_NESTING_MAX', 'blocks nest', 'nests-blocks'],
  ['COMPONENT_DEPTH_MAX', 'nest too deeply', 'nests-components'],
  ['COMPONENT_LINK_STEPS_MAX', 'definitions to link', 'link-bomb'],
  ['COMPONENT_MODULES_MAX', 'too many core modules', { component: '(core module)'.repeat(40) }],
  ['TYPE_NODES_MAX', 'a type is too large', 'type-bomb'],
  ['TYPE_DEPTH_MAX', 'a type is too large', { component: `(type $l0 u8) ${lists}` }],
  ['COMPONENT_NAME_BYTES_MAX', 'name of', { component: `(core module (import "${'a'.repeat(1_100)}" "b" (func)))` }],
  // A module in a component, which says that 300,000 types follow.
  ['COMPONENT_ITEMS_MAX', ' items', Uint8Array.from([...head(0x0d), 1, 13, ...head(1), 1, 3, 0xe0, 0xa7, 0x12])],
  ['COMPONENT_BYTES_MAX', 'bytes, more than', new Uint8Array(real.COMPONENT_BYTES_MAX + 1)],
]

describe('a file', () => {
  async function load(what: (typeof files)[number][2], constants: Constants): Promise<string> {
    const { textRegistry } = await openHouse(constants)
    if (what instanceof Uint8Array) {
      const { loadComponent } = await import('./component/load.ts')
      return endOf(async () => loadComponent(what, { memoryBytesMax: RAISED, tableElementsMax: RAISED }))
    }
    const { hostileLoads } = await import('./fixtures/hostile-load.ts')
    const { handlerText } = await import('./fixtures/text.ts')
    const text =
      typeof what === 'string' ? hostileLoads.find(({ name }) => name === what)?.text : handlerText({ ...what })
    return endOf(() => textRegistry([{ name: 'large', text: text ?? '' }]))
  }

  test.each(files)('%s', { timeout: 60_000 }, async (limit, says, what) => {
    expect(await load(what, {})).toContain(says)
    expect(await load(what, { [limit]: RAISED })).not.toContain(says)
  })
})

const open = '(call $open (i32.const 64) (i32.const 10) (i32.const 128))'
const opened = '(i32.load (i32.const 132))'
/** `turn` a number of times. */
const times = (count: number, turn: string, first = '') => `(local $i i32) ${first} (loop $again ${turn}
  (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${count}))))`
const put = `(call $put ${opened} (i32.const 80) (i32.const 3) (i32.const 0) (i32.const 65000) (i32.const 0)
  (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 160))`
const grow = (instruction: string) => `(if (i32.lt_s ${instruction} (i32.const 0)) (then (unreachable)))`

interface Run {
  readonly limit: string
  /** How it ends under the limit. */
  readonly under: string
  readonly parts: { readonly handle: string; readonly core?: string }
  /** The limits of its manifest, or the host's constants. */
  readonly limits?: readonly [under: Readonly<Record<string, number>>, raised: Readonly<Record<string, number>>]
  readonly raised?: Constants
  /** Raised in both halves, so that the limit in question is what ends it. */
  readonly always?: Constants
  /** Cells are threads with constants of their own: what those limit is looked at in this one. */
  readonly isHere?: boolean
}

const runs: readonly Run[] = [
  {
    limit: 'deadline',
    under: 'handler-deadline',
    parts: { handle: `${times(200_000_000, '')} ${ACCEPTED}` },
    limits: [{ deadline_ms: 20 }, { deadline_ms: 10_000 }],
  },
  {
    limit: 'fuel',
    under: 'handler-fuel',
    parts: { handle: `${times(2_000_000, '')} ${ACCEPTED}` },
    limits: [{ fuel: 1_000_000 }, { fuel: 3_000_000 }],
  },
  {
    limit: 'memory',
    under: 'handler-trapped',
    parts: { handle: `${grow('(memory.grow (i32.const 100))')} ${ACCEPTED}` },
    limits: [{ memory_bytes: 2 ** 22 }, { memory_bytes: 2 ** 24 }],
  },
  {
    limit: 'table elements',
    under: 'handler-trapped',
    parts: {
      core: '(table $t 1 funcref)',
      handle: `${grow('(table.grow $t (ref.null func) (i32.const 70000))')} ${ACCEPTED}`,
    },
    raised: { TABLE_ELEMENTS_MAX: RAISED },
  },
  {
    limit: 'stack',
    under: 'handler-stack',
    parts: {
      core: `(func $deep (param i32) (result i32) (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
        (else (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))))`,
      handle: `(drop (call $deep (i32.const 30000))) ${ACCEPTED}`,
    },
    raised: { CELL_STACK_MB: 3.5 },
  },
  {
    limit: 'host calls',
    under: 'handler-calls',
    parts: { handle: `${times(real.HOST_CALLS_MAX + 1, `${open} (call $drop ${opened})`)} ${ACCEPTED}` },
    raised: { HOST_CALLS_MAX: RAISED },
  },
  {
    limit: 'output',
    under: 'handler-output',
    parts: {
      // A number in much white space.
      handle: `(drop (memory.grow (i32.const 15))) (memory.fill (i32.const 1024) (i32.const 32) (i32.const 700000))
        (i32.store8 (i32.const 1024) (i32.const 0x31)) ${replyOf('(i32.const 1024)', '(i32.const 700000)')}`,
    },
    raised: { HANDLER_OUTPUT_BYTES_MAX: 2 ** 20 },
  },
  {
    limit: 'log',
    under: 'log cut',
    parts: {
      handle: `${times(800, '(call $write (i32.const 1) (i32.const 64) (i32.const 10))')} ${ACCEPTED}`,
    },
    raised: { LOG_BYTES_MAX: RAISED },
  },
  {
    limit: 'effects',
    under: 'handler-output',
    parts: { handle: `${times(80, put, open)} ${ACCEPTED}` },
    raised: { EFFECT_BYTES_MAX: RAISED },
    isHere: true,
  },
  {
    limit: 'lifted values',
    under: 'handler-output',
    parts: {
      handle: `(drop (memory.grow (i32.const 60)))
        (call $write (i32.const 1) (i32.const 1024) (i32.const 3000000)) ${ACCEPTED}`,
    },
    raised: { LIFT_BYTES_MAX: RAISED },
    isHere: true,
  },
  {
    limit: 'handles',
    under: 'handler-memory',
    parts: { handle: `${times(1_500, open)} ${ACCEPTED}` },
    always: { HOST_CALLS_MAX: RAISED },
    raised: { HANDLES_MAX: RAISED },
    isHere: true,
  },
]

async function run({ parts, isHere }: Run, constants: Constants, limits = {}): Promise<string> {
  const house = await openHouse(constants)
  const { handlerText } = await import('./fixtures/text.ts')
  const registry = await house.textRegistry([{ name: 'large', text: handlerText(parts), limits }])
  const sources = house.granting(house.memoryNamespace())
  const job = house.jobFor(registry, 'large', { sources })
  const { visitHere } = await import('./fixtures/here.ts')
  if (isHere === true) return visitHere(registry, job)
  await using pool = await house.createPool({ registry, cells: 1, spares: 0 })
  return await endOf(async () => {
    const { log } = await pool.run(job)
    const last = log.at(-1)?.message ?? ''
    if (last.startsWith('log cut')) throw new Error(last)
  })
}

describe('a handler', () => {
  test.each(runs)('$limit', { timeout: 60_000 }, async (given) => {
    const { under, limits: [less, more] = [{}, {}], raised, always } = given
    expect(await run(given, { ...always }, less)).toContain(under)
    expect(await run(given, { ...always, ...raised }, more)).toBe('ended')
  })
})

/** How many of one vault's events, or of many vaults', are turned away while the only cell is busy. */
async function turnedAway(constants: Constants, { events, tenants }: { events: number; tenants: number }) {
  const { createPool, registryOf, jobFor, granting, memoryNamespace } = await openHouse(constants)
  const registry = registryOf('notes')
  await using pool = await createPool({ registry, cells: 1, spares: 0 })
  const sources = granting(memoryNamespace())
  const ends = await Promise.allSettled(
    Array.from({ length: events }, (_, at) =>
      pool.run(jobFor(registry, 'notes', { sources, tenant: `vault ${at % tenants}` })),
    ),
  )
  return ends.filter(({ status }) => status === 'rejected').length
}

describe('the queue', () => {
  test('POOL_TENANT_QUEUE_MAX', async () => {
    const events = real.POOL_TENANT_QUEUE_MAX + 11
    expect(await turnedAway({}, { events, tenants: 1 })).toBe(10)
    expect(await turnedAway({ POOL_TENANT_QUEUE_MAX: RAISED }, { events, tenants: 1 })).toBe(0)
  })

  test('POOL_QUEUE_MAX', async () => {
    const events = real.POOL_QUEUE_MAX + 11
    expect(await turnedAway({}, { events, tenants: 8 })).toBe(10)
    expect(await turnedAway({ POOL_QUEUE_MAX: RAISED }, { events, tenants: 8 })).toBe(0)
  })
})

test.each([1, 2])('one vault has no more than its %i cells', async (cells) => {
  const { createPool, registryOf, jobFor } = await openHouse({})
  const registry = registryOf('loops')
  await using pool = await createPool({ registry, cells, spares: 1 })
  const all = Array.from({ length: 4 }, () => pool.run(jobFor(registry, 'loops')))
  expect(pool.stats).toMatchObject({ running: cells, queued: 4 - cells })
  for (const end of await Promise.allSettled(all)) expect(end).toMatchObject({ status: 'rejected' })
})

test('after so many calls of one cell all else has a turn, however fast it calls', async () => {
  const { createPool, textRegistry, granting, jobFor, memoryNamespace } = await openHouse({ NEXT_CALL_PAUSES: 2 ** 22 })
  const { handlerText } = await import('./fixtures/text.ts')
  // Each read is of another key: none is answered in the cell.
  const first = `(memory.fill (i32.const 1024) (i32.const 97) (i32.const 200)) ${open}`
  const key = '(i32.const 1024) (i32.add (local.get $i) (i32.const 1))'
  const text = handlerText({
    handle: `${times(200, `(call $get ${opened} ${key} (i32.const 256))`, first)} ${ACCEPTED}`,
  })
  const registry = await textRegistry([{ name: 'large', text }])
  await using pool = await createPool({ registry, cells: 1, spares: 0 })
  // Calls answered in each turn, the last turn first.
  const goes = [0]
  const namespace = {
    ...memoryNamespace(),
    get(): undefined {
      if (goes[0] === 0) setImmediate(() => goes.unshift(0))
      goes[0] = (goes[0] ?? 0) + 1
    },
  }
  await pool.run(jobFor(registry, 'large', { sources: granting(namespace) }))
  expect(Math.max(...goes)).toBe(real.CALLS_IN_ONE_GO_MAX)
})
