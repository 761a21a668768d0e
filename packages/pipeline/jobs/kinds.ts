import type { Kind } from "./kind.ts"

export const kindNames = ["query", "replay", "reconcile"] as const
export type KindName = (typeof kindNames)[number]

/** A kind of job; what it takes to do any of them is loaded with the first. */
export const kindNamed = async (name: KindName): Promise<Kind> => (await import("./all.ts"))[name]
