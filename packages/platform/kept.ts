import type { Kept } from "#pipeline/cache.ts"
import type { Guard } from "./guard.ts"

/** Kept elsewhere, behind a guard that knows how long one may wait and when it is not worth asking. */
export const keptWithin = (kept: Kept, guard: Guard): Kept => ({
  get: (key) => guard.run(() => kept.get(key)),
  put: (key, value, ttlMs) => guard.run(() => kept.put(key, value, ttlMs)),
})
