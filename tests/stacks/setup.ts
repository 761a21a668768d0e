import { ensurePlatform } from "./platform.ts"
import { root } from "./synth.ts"

/** Before any test, and once for all of them. */
export function setup() {
  ensurePlatform(root)
}
