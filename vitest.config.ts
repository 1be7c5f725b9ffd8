import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

import { compiledThreads } from './scripts/test-threads.ts'

/** Files that take longest, longest first: begun last, one of them would end long after all others. */
const LONG = [
  'host/commands/handler/author.test.ts',
  'host/commands/handler/twins.test.ts',
  'examples/examples.test.ts',
  'host/plugin/component/worlds.test.ts',
  'host/plugin/component/oracle.test.ts',
  'host/commands/story.test.ts',
]

/** Where a file stands among them, or -1. */
function rank({ moduleId }: TestSpecification): number {
  return LONG.findIndex((name) => moduleId.endsWith(`/${name}`))
}

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const [short, long] = [files.filter((file) => rank(file) < 0), files.filter((file) => rank(file) >= 0)]
    return [...long.sort((one, other) => rank(one) - rank(other)), ...(await super.sort(short))]
  }
}

export default defineConfig({
  plugins: [compiledThreads],
  test: {
    include: ['{host,enclave,client,plugins,bench,scripts,examples}/**/*.test.ts'],
    // Ten times what the slowest takes here: on a busy machine a test is late, not wrong.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores: more workers than that only make timing tests lie.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // Handlers under test import their world from memory; in a cell it comes from the host.
    alias: [
      { find: /^trellis:handler\/([a-z]+)@0\.1\.0$/, replacement: `${import.meta.dirname}/plugins/sdk/memory/$1.ts` },
    ],
    // Tests start hundreds of processes from the same sources: compiled once, each starts in a third of the time.
    env: { NODE_COMPILE_CACHE: `${import.meta.dirname}/.cache/compiled` },
    globalSetup: ['./scripts/test-setup.ts'],
  },
})
