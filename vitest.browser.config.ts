import { defineConfig } from 'vitest/config'

/** `npm run test:browser`: tests that open real Chromium (the system's, found by CHROMIUM or in the usual places). */
export default defineConfig({
  test: {
    include: ['src/**/*.browser-test.ts', 'test/browser/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
