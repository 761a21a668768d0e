import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["tests/stacks/**/*.test.ts"],
    globalSetup: ["tests/stacks/setup.ts"],
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // Each is a process that is busy all the time.
    maxConcurrency: 2,
    // Rules are sentences.
    chaiConfig: { truncateThreshold: 0 },
  },
})
