import { describe, expect, test } from "vitest"
import { fakeClock } from "./clock.ts"
import { randomText, seededRandom } from "./random.ts"
import { consumed, origin, outside, type Span, type Tracing, traced, unitOf } from "./unit.ts"

const TRACE = "0af7651916cd43dd8448eb211c80319c"
const PARENT = "b7ad6b7169203331"

function world(ratio = 1) {
  const spans: Span[] = []
  const random = seededRandom(7)
  const tracing: Tracing = { tell: (span) => spans.push(span), random, ratio }
  const clock = fakeClock("2026-01-31T12:00:00.000Z")
  return { spans, clock, needs: { clock, nonce: () => randomText(random, 8), tracing } }
}
const wish = { name: "work", kind: "server" } as const

test("a unit adds up what is consumed in it, however deep, and in the units within it", async () => {
  const { needs } = world()
  const part = () =>
    unitOf(needs, wish, async (inner) => {
      consumed({ read: 0.5, write: 2 })
      return inner
    })
  await unitOf(needs, wish, async (unit) => {
    consumed({ read: 1, write: 0 })
    const parts = await Promise.all([part(), part()])
    expect(parts).toMatchObject([
      { read: 0.5, write: 2 },
      { read: 0.5, write: 2 },
    ])
    expect(unit).toMatchObject({ read: 2, write: 4 })
    expect(parts.map(({ correlationId }) => correlationId)).toEqual([unit.correlationId, unit.correlationId])
    outside(() => consumed({ read: 100, write: 100 }))
    expect(unit.read).toBe(2)
  })
  consumed({ read: 1, write: 1 })
})

test("two units at once do not count each other's", async () => {
  const { needs } = world()
  const one = (read: number) =>
    unitOf(needs, wish, async (unit) => {
      for (let i = 0; i < 10; i++) {
        await new Promise((done) => setImmediate(done))
        consumed({ read, write: 0 })
      }
      return unit.read
    })
  expect(await Promise.all([one(1), one(2), one(3)])).toEqual([10, 20, 30])
})

test("an id is taken over if it is one, and made if not", async () => {
  const { needs } = world()
  const idOf = (correlationId: string | undefined) =>
    unitOf(needs, { ...wish, origin: { correlationId } }, async (unit) => unit.correlationId)
  expect(await idOf("order-7_x")).toBe("order-7_x")
  for (const bad of ["", "a b", "x".repeat(65), 'a"b', "a\nb", "ä", undefined])
    expect(await idOf(bad)).toMatch(/^[\dA-Za-z]{8}$/)
})

describe("a span", () => {
  test("lies below whatever asked for it, with its time, its outcome and what it was done for besides", async () => {
    const { needs, spans, clock } = world()
    const from = (span: string) => ({ traceparent: `00-${TRACE}-${span}-01` })
    const failing = unitOf(
      needs,
      { name: "process", kind: "consumer", origin: from(PARENT), joined: [from("c7ad6b7169203331"), {}] },
      async (unit) => {
        unit.about["octant.tenant"] = "acme"
        clock.advance(5)
        await traced("inner", "client", async () => void clock.advance(7), { n: 1 })
        throw new Error("broken")
      },
    )
    await expect(failing).rejects.toThrow("broken")
    const [inner, outer] = spans
    const startedAt = Date.parse("2026-01-31T12:00:00.000Z")
    expect(outer).toEqual({
      traceId: TRACE,
      spanId: expect.stringMatching(/^[\da-f]{16}$/),
      parentId: PARENT,
      name: "process",
      kind: "consumer",
      startedAt,
      endedAt: startedAt + 12,
      attributes: { "octant.tenant": "acme" },
      failed: true,
      links: [{ traceId: TRACE, spanId: "c7ad6b7169203331", sampled: true }],
    })
    expect(inner).toMatchObject({ parentId: outer!.spanId, startedAt: startedAt + 5, endedAt: startedAt + 12 })
    expect(inner).toMatchObject({ name: "inner", failed: false, attributes: { n: 1 } })
  })

  test.each([
    ["nothing", undefined],
    ["no version", `${TRACE}-${PARENT}-01`],
    ["a version that there cannot be", `ff-${TRACE}-${PARENT}-01`],
    ["capitals", `00-${TRACE.toUpperCase()}-${PARENT}-01`],
    ["no trace", `00-${"0".repeat(32)}-${PARENT}-01`],
    ["no span", `00-${TRACE}-${"0".repeat(16)}-01`],
    ["too little", `00-${TRACE}-${PARENT}`],
    ["flags that are none", `00-${TRACE}-${PARENT}-x1`],
    ["more behind it", `00-${TRACE}-${PARENT}-01x`],
  ])("of a traceparent with %s begins a trace of its own", async (_, traceparent) => {
    const { needs, spans } = world()
    await unitOf(needs, { ...wish, origin: { traceparent } }, async () => {})
    expect(spans).toHaveLength(1)
    expect(spans[0]!.traceId).not.toBe(TRACE)
    expect(spans[0]!.parentId).toBeUndefined()
  })

  test("of a later version of the header is understood as far as we know it", async () => {
    const { needs, spans } = world()
    await unitOf(needs, { ...wish, origin: { traceparent: `01-${TRACE}-${PARENT}-03-more` } }, async () => {})
    expect(spans).toMatchObject([{ traceId: TRACE, parentId: PARENT }])
  })

  test("is kept when its parent is and not when it is not; what goes on says the same", async () => {
    const { needs, spans } = world()
    for (const flag of ["01", "00"]) {
      await unitOf(needs, { ...wish, origin: { traceparent: `00-${TRACE}-${PARENT}-${flag}` } }, async (unit) => {
        const said = origin()
        expect(said.traceparent).toMatch(new RegExp(`^00-${TRACE}-(?!${PARENT})[\\da-f]{16}-${flag}$`))
        expect(said.correlationId).toBe(unit.correlationId)
        await traced("inner", "internal", async () => {})
      })
    }
    expect(spans.map(({ name }) => name)).toEqual(["inner", "work"])
  })

  test("that begins a trace is kept by its share", async () => {
    const kept = async (ratio: number) => {
      const { needs, spans } = world(ratio)
      for (let i = 0; i < 1000; i++) await unitOf(needs, wish, async () => {})
      return spans.length
    }
    expect(await kept(0)).toBe(0)
    expect(await kept(1)).toBe(1000)
    expect(await kept(0.25)).toBeGreaterThan(200)
    expect(await kept(0.25)).toBeLessThan(300)
  })

  test("is one of 200 at most: a fold asks the table more often than anybody can read", async () => {
    const { needs, spans } = world()
    await unitOf(needs, wish, async () => {
      for (let i = 0; i < 1000; i++) await traced("call", "client", async () => {})
    })
    expect(spans).toHaveLength(201)
  })

  test("is not made where nobody traces", async () => {
    const { needs, spans } = world()
    await unitOf({ ...needs, tracing: undefined }, wish, async (unit) => {
      await traced("inner", "internal", async () => {})
      expect(origin()).toEqual({ correlationId: unit.correlationId })
    })
    expect(spans).toEqual([])
    expect(origin()).toEqual({})
  })
})
