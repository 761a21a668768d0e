import { afterAll, beforeAll, expect, test } from "vitest"
import { startWorld, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await startWorld()
  await world.tenant("acme", { currency: "EUR" })
  const order = (id: string, day: string, revenue: string, country: string) =>
    JSON.stringify({
      type: "track",
      event: "Order Completed",
      messageId: id,
      userId: `u${id}`,
      timestamp: `${day}T12:00:00Z`,
      properties: { order_id: id, revenue, country },
    })
  const lines = [
    order("1", "2026-01-05", "1234.50", "DE"),
    order("2", "2026-01-06", "617.25", "DE"),
    order("3", "2026-01-06", "0.25", 'the "rest", e.g. \u001b[31mFR'),
    order("4", "2025-12-31", "926.00", "DE"),
  ]
  await world.ask("import", world.file("orders.ndjson", lines.join("\n")))
  await world.stack.idle()
})
afterAll(() => world.stop())

const january = ["--from", "2026-01-04", "--to", "2026-01-06"]

test("a series is a table with bars", async () => {
  const { out } = await world.octant(["query", "gross_revenue", ...january])
  expect(out.replace(/the last event came \d+ s ago/, "…")).toBe(
    [
      "gross_revenue from 2026-01-04 to 2026-01-06, EUR",
      "",
      "at             value",
      "2026-01-04      0.00",
      `2026-01-05  1,234.50  ${"█".repeat(40)}`,
      `2026-01-06    617.50  ${"█".repeat(20)}`,
      "total       1,852.00",
      "",
      "exact at position 1 of the journal; …",
      "",
    ].join("\n"),
  )
})

test("a breakdown shows each key's share and course, and nothing in it commands the terminal", async () => {
  const { out } = await world.octant(["query", "gross_revenue", ...january, "--by", "country"])
  expect(out.split("\n").slice(2, 6)).toEqual([
    "country                      value",
    `DE                        1,851.75  ${"█".repeat(20)}   █▄`,
    'the "rest", e.g. �[31mFR      0.25  ▏                       █',
    "total                     1,852.00",
  ])
})

test("a comparison names both periods and the change", async () => {
  const { out } = await world.octant([
    "query",
    "gross_revenue",
    "--from",
    "2026-01-01",
    "--to",
    "2026-01-31",
    "--grain",
    "total",
    "--compare",
    "previous",
  ])
  expect(out).toContain("total  1,852.00\n\n2025-12-01 to 2025-12-31: 926.00; now 1,852.00, a change of 100.0 %\n")
})

test("CSV is the series as the API gives it", async () => {
  const plain = await world.octant(["query", "gross_revenue", ...january, "--csv"])
  expect(plain.out).toBe("at,gross_revenue\r\n2026-01-04,0.00\r\n2026-01-05,1234.50\r\n2026-01-06,617.50\r\n")
  const split = await world.octant(["query", "orders", ...january, "--by", "country", "--grain", "total", "--csv"])
  expect(split.out).toBe('at,country,orders\r\n2026-01-04,DE,2\r\n2026-01-04,"the ""rest"", e.g. \u001b[31mFR",1\r\n')
  const compared = await world.octant([
    "query",
    "orders",
    ...january,
    "--grain",
    "total",
    "--compare",
    "previous",
    "--csv",
  ])
  expect(compared.out).toBe("period,at,orders\r\ncurrent,2026-01-04,3\r\nprevious,2026-01-01,0\r\n")
})

test("JSON is the API's answer", async () => {
  const args = [
    "query",
    "orders",
    ...january,
    "--grain",
    "total",
    "--where",
    '{"field":"country","op":"eq","value":"DE"}',
  ]
  const answer = (await world.ask(...args)) as { freshness: unknown }
  const response = await fetch(
    `${world.stack.url}/v1/query?metric=orders&from=2026-01-04&to=2026-01-06&grain=total&where=${encodeURIComponent('{"field":"country","op":"eq","value":"DE"}')}`,
    {
      headers: {
        authorization: `Bearer ${((await world.ask("keys", "create", "--name", "t", "--scope", "read")) as { key: string }).key}`,
      },
    },
  )
  const expected = (await response.json()) as { total: number; freshness: unknown }
  expect(expected.total).toBe(2)
  expect({ ...answer, freshness: null }).toEqual({ ...expected, freshness: null })
})

test("time travel goes to a position", async () => {
  expect(await world.ask("query", "orders", ...january, "--grain", "total", "--as-of", "0")).toMatchObject({
    total: 0,
    position: 0,
  })
  expect(await world.ask("query", "orders", ...january, "--grain", "total", "--as-of", "1")).toMatchObject({
    total: 3,
    position: 1,
  })
})

test("a metric that is none is a wrong use, and metrics lists those that are", async () => {
  expect(await world.octant(["query", "happiness"])).toEqual({
    code: 2,
    out: "",
    err: "metric: is not a metric; GET /v1/metrics lists them\n",
  })
  const { out } = await world.octant(["metrics"])
  expect(out).toMatch(/^gross_revenue +money +Order Completed: revenue/m)
})

test("a server that is not Octant is recognised", async () => {
  const { code, err } = await world.octant([
    "query",
    "orders",
    "--url",
    `${world.stack.url}/elsewhere`,
    "--key",
    "oct_read_acme_0",
  ])
  expect(code).toBe(1)
  expect(err).toContain("there is no such path")
})
