import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["packages/**/*.test.ts", "tests/*.test.ts"],
    // Ninety simulated days hour by hour, and waiting for queues: with the heavier suites.
    exclude: ["tests/quality.test.ts", "tests/queues.test.ts", "**/node_modules/**"],
    // By itself vitest leaves one processor free, which on two is half of them.
    maxWorkers: "100%",
    // Tests share nothing but their process: half of the time went into starting one for each file.
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
