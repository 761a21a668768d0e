import { afterAll, beforeAll, expect, test } from "vitest"
import { fakeClock } from "#core/clock.ts"
import { randomText, seededNumbers, seededRandom } from "#core/random.ts"
import { audited, readAudit, verifyAudit } from "#store/audit.ts"
import { TenantId } from "#store/tenant-id.ts"
import { calm } from "./chaos/proxy.ts"
import { type Ground, startGround } from "./chaos/world.ts"

let ground: Ground
beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground.stop())

const faults = { ...calm, reset: 0.1, dropped: 0.15, throttled: 0.1, conflicted: 0.05, unsure: 0.1 }

test.each([1, 2, 3])(
  "over a bad network no change is without its row and no row without its change (seed %i)",
  async (seed) => {
    const tenant = TenantId.parse(`faulty-${seed}`)
    const next = seededNumbers(seed)
    const bytes = seededRandom(seed)
    const nonce = () => randomText(bytes, 20)
    Object.assign(ground.proxy.state, { faults, random: next })
    // Four writers, each a process of its own; the same change is asked for twice, as by a client that was not answered.
    const writers = Array.from({ length: 4 }, () => ({
      table: ground.faulty(next),
      clock: fakeClock("2026-05-10T12:00:00.000Z"),
      nonce,
    }))
    const made: string[] = []
    const make = async (i: number) => {
      const subject = `thing-${i % 60}`
      const put = { pk: `T#${tenant}#things`, sk: subject }
      const deed = { action: "thing.make", subject }
      try {
        if (await audited(writers[i % 4]!, tenant, deed, [{ put, condition: "absent" }])) made.push(subject)
      } catch {
        // Unclear: it may be there or not, but only whole.
      }
    }
    await Promise.all(Array.from({ length: 120 }, (_, i) => make(i)))
    ground.proxy.state.faults = calm

    const things = (await ground.straight.query(`T#${tenant}#things`)).map(({ sk }) => sk)
    const { rows } = await readAudit({ table: ground.straight }, tenant, { limit: 1000 })
    expect(rows.map(({ subject }) => subject).sort()).toEqual(things)
    expect(new Set(made).size).toBe(made.length)
    expect(made.length).toBeGreaterThan(20)
    for (const subject of made) expect(things).toContain(subject)
    expect((await verifyAudit({ table: ground.straight }, tenant)).flaws).toEqual([])
    expect(ground.proxy.state.injected.get("dropped")).toBeGreaterThan(5)
  },
)
