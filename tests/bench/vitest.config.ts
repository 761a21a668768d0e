import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["tests/bench/*.test.ts", "tests/quality.test.ts", "tests/queues.test.ts"],
    testTimeout: 120_000,
  },
})
