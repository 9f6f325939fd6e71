import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Tests start the bridge some hundred times. With its compiled code at hand, a start takes half of the CPU time.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('node_modules/.cache/node', import.meta.url))

export default defineConfig({
  test: {
    // On two cores: integration tests start real processes and wait for them half of the time. (When `npm test` took 160 s with
    // four workers, it took 186 s with three and 226 s with two. With six, leases of three seconds end on a busy machine.)
    maxWorkers: 4,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/walls/*.test.ts'],
          testTimeout: 10_000,
          // Loading every module again for each of 200 files took a quarter of the CPU time. Tests put back what they change.
          isolate: false,
          // Unit tests start no processes and wait for half of the time. A group of its own is what a number of its own demands.
          maxWorkers: 6,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          testTimeout: 240_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
        },
      },
      // Against the emulators, or against real services when the environment has credentials: see test/service/.
      {
        extends: true,
        test: {
          name: 'service',
          include: ['test/service/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
        },
      },
      {
        extends: true,
        test: { name: 'hostile', include: ['test/hostile/**/*.test.ts'], testTimeout: 120_000, maxWorkers: 2 },
      },
      {
        extends: true,
        test: {
          name: 'operate',
          include: ['test/operate/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
        },
      },
      // One at a time: each run has processes enough to keep the machine busy.
      {
        extends: true,
        test: {
          name: 'chaos',
          include: ['test/chaos/**/*.test.ts'],
          testTimeout: 300_000,
          maxWorkers: 1,
          maxConcurrency: 3,
        },
      },
    ],
  },
})
