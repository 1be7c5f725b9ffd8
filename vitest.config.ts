import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{host,enclave,client,plugins,bench,scripts,examples}/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Two cores: more workers than that only make timing tests lie.
    maxWorkers: 2,
    // Handlers under test import their world from memory; in a cell it comes from the host.
    alias: [
      { find: /^trellis:handler\/([a-z]+)@0\.1\.0$/, replacement: `${import.meta.dirname}/plugins/sdk/memory/$1.ts` },
    ],
    globalSetup: ['./scripts/test-setup.ts'],
  },
})
