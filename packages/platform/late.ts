/**
 * What few functions need, and those seldom: loaded together when the first of it is needed. Each part by itself would
 * make bundles of whatever it shares with the others, and a function starts slower with each.
 */
export { complaintAbout } from "./address.ts"
export { putEvents } from "./bus.ts"
export { certificateFetcher } from "./certificates.ts"
export { deliverySender } from "./deliveries.ts"
export { oldestSeconds } from "./oldest.ts"
export { guardedFetch, outsideFetch } from "./outside.ts"
export { kmsVault } from "./vault.ts"
