import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{host,enclave,client,plugins,bench,scripts}/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Two cores: more workers than that only make timing tests lie.
    maxWorkers: 2,
    globalSetup: ['./scripts/test-setup.ts'],
  },
})
