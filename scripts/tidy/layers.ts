/** Who may import whom (DESIGN §3). Each rule gives its violations as lines to read. */
import { type Edge, edgesOf, isRoot, isTest, roomOf, type Tree } from './tree.ts'

const open = new Set(['host/errors.ts', 'host/limits.ts', 'host/schema.ts'])
const siblings = ['host/contracts', 'host/entries', 'host/storage', 'host/messaging', 'host/plugin']
const vaultMay = ['host/wire', 'host/crypto', ...siblings]
const topMay = [...vaultMay, 'host/vault']

/** Room -> rooms it may import, besides itself and what is open to all. A line may only name lines above it. */
const layers: Readonly<Record<string, readonly string[]>> = {
  'host/errors.ts': [],
  'host/limits.ts': [],
  'host/schema.ts': [],
  'host/wire': [],
  'host/crypto': ['host/wire'],
  'host/contracts': ['host/wire', 'host/crypto'],
  'host/entries': ['host/wire', 'host/crypto'],
  'host/storage': ['host/wire', 'host/crypto'],
  'host/messaging': ['host/wire', 'host/crypto'],
  'host/plugin': ['host/wire', 'host/crypto'],
  'host/vault': vaultMay,
  'host/watch.ts': topMay,
  'host/lanes.ts': topMay,
  'host/dialer.ts': topMay,
  'host/upkeep.ts': [...topMay, 'host/dialer.ts'],
  'host/deliverer.ts': topMay,
  'host/answer.ts': [...topMay, 'host/watch.ts', 'host/deliverer.ts'],
  'host/deliver.ts': [
    ...topMay,
    'host/watch.ts',
    'host/lanes.ts',
    'host/upkeep.ts',
    'host/deliverer.ts',
    'host/answer.ts',
  ],
  'host/host.ts': [
    ...topMay,
    'host/watch.ts',
    'host/lanes.ts',
    'host/dialer.ts',
    'host/upkeep.ts',
    'host/deliver.ts',
    'host/deliverer.ts',
  ],
  enclave: ['host/wire', 'host/crypto'],
  client: ['host/wire', 'host/crypto', 'host/contracts', 'host/entries'],
  console: ['client'],
  plugins: [],
}

/** The verifier is pure: an app may judge an enclave's evidence itself. */
const verifier = new Set(['verify', 'policy', 'proof', 'shown', 'errors'].map((name) => `enclave/${name}.ts`))

export function layerViolations(tree: Tree): string[] {
  const unplaced = [...tree.sources.keys()]
    .filter((path) => !isRoot(path) && !isTest(path) && layers[roomOf(path)] === undefined)
    .map((path) => `${path}: has no place in the layer table`)
  const crossing = edgesOf(tree).flatMap((edge) => {
    if (edge.to.kind === 'package') return []
    const reason = edge.to.kind === 'missing' ? 'is not there' : whyNot(edge.from, edge.to.path)
    return reason === undefined ? [] : [`${edge.from}:${edge.line}: ${edge.to.path} ${reason}`]
  })
  return [...unplaced, ...crossing]
}

function whyNot(from: string, to: string): string | undefined {
  const room = roomOf(from)
  const target = roomOf(to)
  if (target === 'bench' && room !== 'bench') return 'is in bench, which nothing imports'
  if (isRoot(from) || isTest(from)) return undefined
  if (isTest(to)) return 'is for tests only'
  if (target === room) return undefined
  if (open.has(to) && room !== 'plugins') return undefined
  if (siblings.includes(room) && siblings.some((sibling) => to === `${sibling}/port.ts`)) return undefined
  if (room === 'client' && verifier.has(to)) return undefined
  return layers[room]?.includes(target) === true ? undefined : `is not for ${room} to import`
}

/** Relative paths stay within a room; between rooms the name says which. */
export function pathViolations(tree: Tree): string[] {
  return edgesOf(tree)
    .filter(({ from, specifier, to }) => {
      if (to.kind !== 'file' || isRoot(from) || isTest(from)) return false
      return specifier.startsWith('../') && roomOf(from) !== roomOf(to.path)
    })
    .map(({ from, line, specifier }) => `${from}:${line}: ${specifier} leaves its room: use a #name`)
}

/** A package is known in one folder: its types and its ways go no further. */
export function packageViolations(tree: Tree): string[] {
  const users = new Map<string, Map<string, Edge>>()
  for (const edge of edgesOf(tree)) {
    if (edge.to.kind !== 'package' || edge.to.name === 'node:') continue
    if (isTest(edge.from) || /^(?:scripts|bench|plugins|examples)\//.test(edge.from)) continue
    const room = roomOf(edge.from)
    const rooms = users.get(edge.to.name) ?? new Map<string, Edge>()
    users.set(edge.to.name, rooms.set(room.endsWith('.ts') ? 'host' : room, edge))
  }
  return [...users].flatMap(([name, rooms]) => {
    const places = [...rooms.values()].map(({ from, line }) => `${from}:${line}`)
    return rooms.size > 1 ? [`${name} is imported in ${rooms.size} folders: ${places.join(', ')}`] : []
  })
}

/** Every circle once, as the way around it. */
export function cycleViolations(tree: Tree): string[] {
  const neighbours = graphOf(tree)
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start !== -1) cycles.push([...trail.slice(start), path].join(' → '))
    if (start !== -1 || done.has(path)) return
    for (const next of neighbours.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of neighbours.keys()) visit(path, [])
  return cycles
}

/** What nobody runs: not reachable from a command, a script or a bench. */
export function deadFiles(tree: Tree): string[] {
  const neighbours = graphOf(tree)
  const alive = new Set<string>()
  const visit = (path: string): void => {
    if (alive.has(path)) return
    alive.add(path)
    for (const next of neighbours.get(path) ?? []) visit(next)
  }
  const entries = [...tree.sources.keys()].filter((path) =>
    /^(?:host\/main\.ts|enclave\/main\.ts|scripts\/.*|bench\/.*|examples\/.*)$/.test(path),
  )
  for (const path of entries) visit(path)
  return [...tree.sources.keys()].filter((path) => {
    const isJudged = /^(?:host|enclave|client)\//.test(path) && !isTest(path) && !path.endsWith('.d.ts')
    return isJudged && !alive.has(path)
  })
}

function graphOf(tree: Tree): Map<string, string[]> {
  const graph = new Map<string, string[]>([...tree.sources.keys()].map((path) => [path, []]))
  for (const { from, to } of edgesOf(tree)) {
    // A file that names itself starts itself as a process: no circle.
    if (to.kind === 'file' && to.path !== from) graph.get(from)?.push(to.path)
  }
  return graph
}
