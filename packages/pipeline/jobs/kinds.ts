import type { Kind } from "./kind.ts"

/** Every kind of job, each loaded with the first of its jobs. */
export const kinds = {
  query: async () => (await import("./query.ts")).query,
  replay: async () => (await import("./replay.ts")).replayed,
  reconcile: async () => (await import("./reconcile.ts")).reconciled,
} as const satisfies Record<string, () => Promise<Kind>>
export type KindName = keyof typeof kinds

export const kindNames = Object.keys(kinds) as [KindName, ...KindName[]]
