import type { Kind } from "./kind.ts"

export const kindNames = ["query", "replay", "reconcile"] as const
export type KindName = (typeof kindNames)[number]

/** What it takes to do a job is loaded with the first of its priority. */
const low = () => import("./low.ts")
const loading: Record<KindName, () => Promise<Kind>> = {
  query: async () => (await import("./query.ts")).query,
  replay: async () => (await low()).replay,
  reconcile: async () => (await low()).reconcile,
}
export const kindNamed = (name: KindName): Promise<Kind> => loading[name]()
