import { defineConfig } from 'vitest/config'

/** `npm test`: everything that needs neither a browser nor a server. Statistical tests use fixed seeds; `npm run test:slow` draws fresh ones. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['test/browser/**', 'node_modules/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
  },
})
