import { existsSync, readFileSync } from "node:fs"
import { gunzipSync, gzipSync } from "node:zlib"
import { parse } from "csv-parse/sync"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { Tenant } from "#access/tenant.ts"
import { type DevTenant, settle } from "#local/home.ts"
import { type Stack, startStack } from "#local/stack.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { reconcile } from "#pipeline/reconcile.ts"
import { replay } from "#pipeline/replay.ts"
import { TenantId } from "#store/tenant-id.ts"

/**
 * Two months of a UK shop (Online Retail, UCI 352, Chen, CC BY 4.0) through the HTTP door. The data is not part of the
 * project; where it is not there, this is not measured. Clean orders: customer known, quantity and price above 0.
 */
const FOLDER = "../shared/data/online_retail"
const MONTHS = "from=2010-12-01&to=2011-01-31"
type Line = {
  InvoiceNo: string
  StockCode: string
  Quantity: string
  InvoiceDate: string
  UnitPrice: string
  CustomerID: string
  Country: string
}

describe.skipIf(!existsSync(FOLDER))("two months of a real shop", () => {
  let stack: Stack
  let tenant: DevTenant
  const id = TenantId.parse("retail")
  const bodies: Buffer[] = []

  beforeAll(async () => {
    stack = await startStack()
    tenant = await settle(stack.runtime, Tenant.parse({ id, name: "Retail", currency: "GBP" }))
    const text = gunzipSync(readFileSync(`${FOLDER}/online_retail_2010-12_2011-01.csv.gz`))
    const lines = (parse(text, { columns: true }) as Line[]).filter(
      (line) =>
        line.CustomerID !== "" &&
        (line.InvoiceNo.startsWith("C") || (Number(line.Quantity) > 0 && Number(line.UnitPrice) > 0)),
    )
    const calls = [...Map.groupBy(lines, ({ InvoiceNo }) => InvoiceNo)].map(([invoice, all]) => toCall(invoice, all))
    for (let i = 0; i < calls.length; i += 60) bodies.push(gzipSync(JSON.stringify({ batch: calls.slice(i, i + 60) })))
    await sendAll()
  }, 60_000)
  afterAll(() => stack.stop())

  async function sendAll() {
    for (const body of bodies) {
      const response = await fetch(`${stack.url}/v1/batch`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${tenant.writeKey}`,
          "content-type": "application/json",
          "content-encoding": "gzip",
        },
        body,
      })
      expect(await response.json()).toMatchObject({ success: true, quarantined: 0, rejected: [] })
    }
    await stack.idle()
  }
  const ask = async (question: string) => {
    const response = await fetch(`${stack.url}/v1/query?${MONTHS}&${question}`, {
      headers: { authorization: `Bearer ${tenant.readKey}` },
    })
    return (await response.json()) as {
      total: unknown
      series: { at: string; value: unknown }[]
      keys: { key: string; total: unknown }[]
    }
  }
  const byMonth = async (metric: string) => (await ask(`metric=${metric}&grain=month`)).series.map(({ value }) => value)
  const truth = JSON.parse(existsSync(FOLDER) ? readFileSync(`${FOLDER}/truth.json`, "utf8") : "{}") as {
    daily_clean_revenue: Record<string, string>
    revenue_by_country_clean_top10: Record<string, string>
    top10_products_by_clean_revenue: Record<string, string>
  }

  async function expectTruth() {
    expect(await byMonth("gross_revenue")).toEqual(["572713.89", "569445.04"])
    expect(await byMonth("orders")).toEqual([1400, 987])
    expect(await byMonth("buyers")).toEqual([885, 741])
    expect(await byMonth("units")).toEqual([312265, 349098])
    const days = (await ask("metric=gross_revenue")).series.filter(({ value }) => value !== "0.00")
    expect(Object.fromEntries(days.map(({ at, value }) => [at, value]))).toEqual(truth.daily_clean_revenue)
    const countries = (await ask("metric=gross_revenue&grain=total&by=country&limit=10")).keys
    expect(Object.fromEntries(countries.map(({ key, total }) => [key, total]))).toEqual(
      truth.revenue_by_country_clean_top10,
    )
    const products = (await ask("metric=gross_revenue&grain=total&by=product&limit=10")).keys
    const inFull = Object.entries(truth.top10_products_by_clean_revenue).map(([key, total]) => [
      key,
      Number(total).toFixed(2),
    ])
    expect(Object.fromEntries(products.map(({ key, total }) => [key, total]))).toEqual(Object.fromEntries(inFull))
  }

  test("revenue, orders, customers and units are right to the penny, out of the tail and out of the views", async () => {
    await expectTruth()
    expect(await foldTenant(stack.runtime, id)).toBe("folded")
    await expectTruth()
  })

  test("sent again, nothing changes, and the recount agrees with every value of the views", async () => {
    await sendAll()
    await foldTenant(stack.runtime, id)
    await expectTruth()
    expect(await reconcile(stack.runtime, id)).toMatchObject({ events: 5888, differences: [] })
  })

  test("built anew from the journal, the views say the same", async () => {
    await replay(stack.runtime, id)
    await expectTruth()
    expect((await reconcile(stack.runtime, id)).differences).toEqual([])
  })
})

const toCall = (invoice: string, lines: Line[]) => ({
  type: "track",
  event: invoice.startsWith("C") ? "Order Refunded" : "Order Completed",
  messageId: `invoice-${invoice}`,
  userId: lines[0]!.CustomerID,
  timestamp: `${lines[0]!.InvoiceDate.replace(" ", "T")}Z`,
  properties: {
    order_id: invoice,
    country: lines[0]!.Country,
    products: lines.map(({ StockCode, UnitPrice, Quantity }) => ({
      product_id: StockCode,
      price: UnitPrice,
      quantity: Math.abs(Number(Quantity)),
    })),
  },
})
