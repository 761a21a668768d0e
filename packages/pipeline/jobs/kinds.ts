import type { Kind } from "./kind.ts"

export const kindNames = ["query", "replay", "reconcile"] as const
export type KindName = (typeof kindNames)[number]

/** What it takes to do any of them, loaded with the first. */
export const loadKinds = () => import("./all.ts")
export const kindNamed = async (name: KindName): Promise<Kind> => (await loadKinds())[name]
