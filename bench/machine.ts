/** Where and with what a run was made. No names: only what explains a number. */
import { readFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'

/** Versions of what the numbers depend on, as installed. */
const packages = ['@extism/extism', 'assemblyscript', '@bytecodealliance/jco', 'msgpackr', 'zod', 'tinybench']

export function describeMachine(): string[] {
  const model = cpus()[0]?.model ?? 'unknown cpu'
  const memory = (totalmem() / 2 ** 30).toFixed(1)
  const load = loadavg()[0]?.toFixed(1)
  const versions = packages.map((name) => `${name.replace(/^@[^/]+\//, '')} ${versionOf(name)}`)
  return [
    `${model.trim()}, ${cpus().length} cores, ${memory} GiB; load ${load} at the start`,
    `${process.platform} ${process.arch}, node ${process.versions.node}, V8 ${process.versions.v8}`,
    versions.join(', '),
    new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
  ]
}

function versionOf(name: string): string {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  return version
}
