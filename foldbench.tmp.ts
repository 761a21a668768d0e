import { simulate } from "#simulator/simulate.ts"
import { toEvent } from "#events/message.ts"
import { packBatches, unpackBatches } from "#store/journal.ts"
import { fold } from "#pipeline/fold.ts"
import { emptyMemory } from "#pipeline/memory.ts"
import { fragmentsOf } from "#pipeline/fragments.ts"
import { zoneOf } from "#core/zone.ts"
const msgs = [...simulate({ seed: 1, business: "shop", from: "2026-01-01", days: 120, scale: 2 })]
console.log(msgs.length)
let t = performance.now()
const now = Date.parse("2026-06-01")
const events = msgs.map((m) => toEvent(m, { receivedAt: now, messageId: () => "x" }) as any)
console.log("toEvent us", ((performance.now() - t) * 1000 / msgs.length).toFixed(2))
const bodies: Buffer[] = []
t = performance.now()
for (let i = 0; i < events.length; i += 1000) bodies.push(packBatches([{ id: "b" + i, source: "s", receivedAt: "2026-06-01T00:00:00.000Z", events: events.slice(i, i + 1000) }]))
console.log("pack us", ((performance.now() - t) * 1000 / msgs.length).toFixed(2), "bytes/ev", (bodies.reduce((s, b) => s + b.length, 0) / events.length).toFixed(1), "raw", (JSON.stringify(msgs).length / msgs.length).toFixed(0))
for (let round = 0; round < 3; round++) {
  t = performance.now()
  const batches = bodies.map((b) => unpackBatches(b))
  const t1 = performance.now()
  const memory = emptyMemory({ zone: zoneOf("Europe/London"), currency: "GBP" })
  batches.forEach((b, i) => fold(memory, { position: i + 1, at: "2026-06-01T00:00:00.000Z", batches: b }))
  const t2 = performance.now()
  fragmentsOf(memory)
  const t3 = performance.now()
  console.log("unpack", ((t1 - t) * 1000 / events.length).toFixed(2), "fold", ((t2 - t1) * 1000 / events.length).toFixed(2), "fragments", ((t3 - t2) * 1000 / events.length).toFixed(2), "total ev/s", Math.round(events.length / (t3 - t) * 1000))
}
