/** Every kind of job, loaded together with the first job of any. */
export { query } from "./query.ts"
export { reconciled as reconcile } from "./reconcile.ts"
export { replayed as replay } from "./replay.ts"
