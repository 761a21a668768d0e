import { setTimeout as pause } from "node:timers/promises"
import { parseArgs } from "node:util"
import { crashEverywhere } from "./crashes.ts"
import { liveThrough } from "./seeds.ts"
import { startGround } from "./world.ts"

/** `npm run chaos -- --seeds 200 --from 1`: prints every seed that went wrong, and ends with a count. */
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    only: { type: "string" },
    "stop-at-first": { type: "boolean" },
  },
})
/** A life takes less than a second; one that takes so long goes round in circles. */
const LIFE_MS = 20_000
const ground = await startGround()
const run = `r${Date.now().toString(36)}`
let [passed, failed] = [0, 0]

const tell = (name: string, wrong: readonly string[]) => {
  if (wrong.length === 0) passed++
  else failed++
  for (const line of wrong) process.stdout.write(`${name}: ${line}\n`)
}

if (values.only !== "seeds") for (const [name, wrong] of await crashEverywhere(ground, run)) tell(name, wrong)
if (values.only !== "crashes") {
  for (let seed = Number(values.from); seed < Number(values.from) + Number(values.seeds); seed++) {
    const wrong = await Promise.race([liveThrough(ground, seed, run), pause(LIFE_MS, undefined, { ref: false })])
    tell(`seed ${seed}`, wrong ?? [`has not ended after ${LIFE_MS} ms`])
    if (!wrong || (failed > 0 && values["stop-at-first"])) break
    if (passed % 50 === 0)
      process.stdout.write(`${passed} lives, ${JSON.stringify(Object.fromEntries(ground.proxy.state.injected))}\n`)
  }
}
await ground.stop()
process.stdout.write(`chaos: ${passed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)
