import type { Kind, KindName, KindNamed } from "./kind.ts"

/** What it takes to do a job is loaded with the first of its priority, where not every request is one. */
const low = () => import("./low.ts")
const loading: Record<KindName, () => Promise<Kind>> = {
  query: async () => (await import("./query.ts")).query,
  replay: async () => (await low()).replay,
  reconcile: async () => (await low()).reconcile,
}
export const kindNamed: KindNamed = (name) => loading[name]()
