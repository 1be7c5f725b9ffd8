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

/** Tells, when called, who had the cores since: children of this process count as others. */
export function watchCores(): () => string {
  const own = process.cpuUsage()
  const all = coreTimes()
  return () => {
    const { user, system } = process.cpuUsage(own)
    const now = coreTimes()
    const total = now.total - all.total
    const mine = (user + system) / 1_000 / total
    const others = Math.max(0, (now.busy - all.busy) / total - mine)
    return `cores: ${percent(mine)} this process, ${percent(others)} others and its children`
  }
}

/** Milliseconds of all cores since the machine started. */
function coreTimes(): { total: number; busy: number } {
  const times = cpus().map((core) => core.times)
  const total = times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0)
  return { total, busy: total - times.reduce((sum, { idle }) => sum + idle, 0) }
}

function percent(part: number): string {
  return `${Math.round(100 * part)} %`
}
