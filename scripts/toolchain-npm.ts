/** Compilers that npm brings: what of them is not installed beside Trellis. */
import { findPackageJSON } from 'node:module'

/** By language, the packages that build it; those that only one runtime needs are among them. */
const packages = {
  ts: ['@bytecodealliance/jco', 'componentize-qjs'],
  as: ['assemblyscript', '@bytecodealliance/jco-transpile', '@extism/as-pdk'],
} as const

/** What to install; undefined when all of it is there. `find` gives the place of a package. */
export function missingPackages(
  language: keyof typeof packages,
  find: (name: string) => string | undefined = installed,
): string | undefined {
  const missing = packages[language].filter((name) => find(name) === undefined)
  if (missing.length === 0) return undefined
  const title = language === 'ts' ? 'TypeScript' : 'AssemblyScript'
  return `${title} needs ${missing.join(' and ')}: npm install --save-dev ${missing.join(' ')}`
}

function installed(name: string): string | undefined {
  try {
    return findPackageJSON(name, import.meta.url)
  } catch {
    return undefined
  }
}
