import type { Hear } from "#core/figures.ts"
import type { Config } from "./config.ts"
import type { Told } from "./emf.ts"

/** A call tells a few dozen figures; a fold of a large tenant tells thousands. */
const MOST_TOLD = 20_000

/** On Lambda nobody can ask a process for its figures: it writes them to its log, from where CloudWatch takes them. */
export function emittedOf({
  AWS_LAMBDA_FUNCTION_NAME: name,
}: Config): { hear: Hear; flush(): Promise<void> } | undefined {
  if (name === undefined) return undefined
  let told: Told[] = []
  let loading: Promise<typeof import("./emf.ts")> | undefined
  return {
    hear: (figure, labels, value) => {
      // Powertools is loaded while the first request waits for the table.
      loading ??= import("./emf.ts")
      loading.catch(() => {})
      if (told.length < MOST_TOLD) told.push({ name: figure, labels, value })
    },
    flush: async () => {
      const taken = told
      told = []
      if (taken.length > 0) (await loading)?.publish(name, taken)
    },
  }
}
