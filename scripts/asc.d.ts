/**
 * The part of AssemblyScript's compiler API that the toolchain calls. The package's own types declare AssemblyScript's
 * globals (another `console` among them) for the whole program.
 */
export interface MemoryStream {
  write(chunk: string | Uint8Array): void
  toString(): string
}

export function createMemoryStream(): MemoryStream

export function main(
  argv: readonly string[],
  options: {
    stdout?: MemoryStream
    stderr?: MemoryStream
    readFile?: (name: string, baseDir: string) => string | null | Promise<string | null>
    writeFile?: (name: string, contents: Uint8Array | string, baseDir: string) => void | Promise<void>
    listFiles?: (dirname: string, baseDir: string) => string[] | null
  },
): Promise<{ readonly error: Error | null; readonly stdout: MemoryStream; readonly stderr: MemoryStream }>
