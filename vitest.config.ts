import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** The longest file first: begun late, it would run on alone at the end. What vitest remembers of durations a clean checkout has not. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    const sorted = await super.sort(files)
    const isLongest = ({ moduleId }: TestSpecification) => moduleId.endsWith("/tests/start.test.ts")
    return [...sorted.filter(isLongest), ...sorted.filter((file) => !isLongest(file))]
  }
}

export default defineConfig({
  test: {
    include: ["packages/**/*.test.ts", "tests/*.test.ts"],
    // Ninety simulated days hour by hour, and waiting for queues: with the heavier suites.
    exclude: ["tests/quality.test.ts", "tests/queues.test.ts", "**/node_modules/**"],
    // By itself vitest leaves one processor free, which on two is half of them; and a third of the time tests wait.
    maxWorkers: "150%",
    // Tests share nothing but their process: half of the time went into starting one for each file.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    // What tests start as processes of their own is compiled once.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL("node_modules/.cache/compiled", import.meta.url)) },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
