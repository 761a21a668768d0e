import type { Hear } from "#core/figures.ts"
import { once } from "#core/once.ts"
import type { Config } from "./config.ts"
import type { Told } from "./emf.ts"

/** A call tells a few dozen figures; a fold of a large tenant tells thousands. */
const MOST_TOLD = 20_000

/** On Lambda nobody can ask a process for its figures: it writes them to its log, from where CloudWatch takes them. */
export function emittedOf({
  AWS_LAMBDA_FUNCTION_NAME: name,
}: Config): { hear: Hear; ready(): void; flush(): Promise<void> } | undefined {
  if (name === undefined) return undefined
  let told: Told[] = []
  const load = once(async () => (await import("./emf.ts")).publisher(name))
  return {
    hear: (figure, labels, value) => {
      if (told.length < MOST_TOLD) told.push({ name: figure, labels, value })
    },
    /** Loads Powertools: best while a call waits for its first answer. */
    ready: () => void load().catch(() => {}),
    flush: async () => {
      const taken = told
      told = []
      if (taken.length > 0) (await load())(taken)
    },
  }
}
