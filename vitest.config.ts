import { defineConfig } from 'vitest/config'

/** `npm test`: everything that needs neither a browser nor a server. Statistical tests use fixed seeds; `npm run test:slow` draws fresh ones. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
  },
})
