/**
 * Completes `package-lock.json` after `npm install`: a registry that lacks some platforms' builds of a package leaves
 * them out of the lock, and `npm ci` then calls the lock out of step. The entries added here say which platform they
 * are for, so that no other platform asks for them.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

interface Entry {
  version?: string
  dev?: boolean
  optional?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
  optionalDependencies?: Record<string, string>
}

const path = fileURLToPath(new URL('../package-lock.json', import.meta.url))
const lock = JSON.parse(await readFile(path, 'utf8')) as { packages: Record<string, Entry> }

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const processors = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64', 'wasm32']

/** What a package is for, by its name: `…-linux-arm64-musl`. */
function platformOf(name: string): Pick<Entry, 'os' | 'cpu' | 'libc'> {
  const parts = name.split(/[-/]/)
  const os = systems.filter((system) => parts.includes(system))
  const cpu = processors.filter((processor) => parts.includes(processor))
  const libc = parts.some((part) => part.startsWith('musl')) ? ['musl'] : []
  if (cpu.length === 0) throw new Error(`${name}: which processor is it for?`)
  return { ...(os.length > 0 && { os }), cpu, ...(os.includes('linux') && libc.length > 0 && { libc }) }
}

/** Where Node finds `name` from the package at `from`, nearest first. */
function placesOf(name: string, from: string): string[] {
  const places = [from === '' ? `node_modules/${name}` : `${from}/node_modules/${name}`]
  let outer = from
  while (outer.includes('node_modules/')) {
    outer = outer.slice(0, outer.lastIndexOf('node_modules/'))
    places.push(`${outer}node_modules/${name}`)
    outer = outer.replace(/\/$/, '')
  }
  return places
}

let added = 0
for (const [from, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const places = placesOf(name, from)
    const found = places.find((place) => lock.packages[place] !== undefined)
    const isExact = /^\d+\.\d+\.\d+[\w.+-]*$/.test(version)
    if (found !== undefined && (!isExact || lock.packages[found]?.version === version)) continue
    if (!isExact) throw new Error(`${name}: ${version} is no exact version`)
    // Beside the others when the place is free, else with the one package that wants this version.
    const place = (found === undefined ? places.at(-1) : places[0]) ?? ''
    lock.packages[place] = { version, ...platformOf(name), ...(entry.dev && { dev: true }), optional: true }
    added += 1
  }
}
const packages = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1))
await writeFile(path, `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, null, 2)}\n`)
console.log(`${added} entries added`)
