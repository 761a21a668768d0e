import { defineConfig } from "vitest/config"

/** Suites that need more than Node and npm: Java, a Redis. What is not there is skipped, with a note. */
export default defineConfig({
  test: {
    include: ["tests/conformance/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
