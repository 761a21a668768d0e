import { gzipSync } from "node:zlib"
import { inFlight } from "#core/parallel.ts"
import { batches } from "#simulator/batches.ts"
import type { DemoTenant } from "#simulator/demo.ts"
import { demo } from "#simulator/demo.ts"
import { simulate } from "#simulator/simulate.ts"

const EVENTS_A_REQUEST = 250
const REQUESTS_IN_FLIGHT = 4

/** What the demo sends for a tenant, as bodies of `/v1/batch`. The same `now` gives the same bytes. */
export function demoBodies(tenant: DemoTenant, now: number): string[] {
  return [...batches(simulate(demo(tenant, now)), EVENTS_A_REQUEST)].map((body) => JSON.stringify(body))
}

/** Sends bodies through the front door. `onSent` hears of each. Throws on the first answer that is not 200. */
export async function send(url: string, writeKey: string, bodies: readonly string[], onSent: () => void) {
  await inFlight(bodies, REQUESTS_IN_FLIGHT, async (body) => {
    const response = await fetch(`${url}/v1/batch`, {
      method: "POST",
      headers: { authorization: `Bearer ${writeKey}`, "content-type": "application/json", "content-encoding": "gzip" },
      body: gzipSync(body, { level: 1 }),
    })
    if (response.status !== 200) throw new Error(`the demo was refused: ${response.status} ${await response.text()}`)
    await response.arrayBuffer()
    onSent()
  })
}
