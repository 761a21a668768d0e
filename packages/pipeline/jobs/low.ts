/** The kinds of jobs that can wait, loaded together. */
export { reconciled as reconcile } from "./reconcile.ts"
export { replayed as replay } from "./replay.ts"
