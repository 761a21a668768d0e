import { runInNewContext } from "node:vm"
import { beforeAll, expect, test } from "vitest"
import { functions } from "#platform/topology.ts"
import type { Plan } from "./plan.ts"
import { stages } from "./stages.ts"
import { synth } from "./synth.ts"

/** The router's own function, as CloudFront would run it, over what is put into its store. */
type EdgeEvent = { request: { uri: string; headers: Record<string, { value: string }> }; viewer: { ip: string } }
type Edge = (event: EdgeEvent) => Promise<EdgeEvent["request"] | { statusCode: number }>

let plan: Plan
beforeAll(async () => {
  plan = await synth(stages[2]!)
})

function edgeOf(plan: Plan) {
  const inputs = plan.resources.map((resource) => resource.inputs)
  const routes = inputs.flatMap(({ entry }) => (typeof entry === "string" ? [entry] : []))
  const store = new Map<string, string>()
  for (const { namespace, entries, entry } of inputs) {
    if (entries !== undefined) store.set(`${namespace}:metadata`, String((entries as Record<string, string>).metadata))
    if (entry !== undefined) store.set(`${namespace}:routes`, JSON.stringify(routes))
  }
  let origin: { domainName?: string } = {}
  const cf = {
    kvs: () => ({
      get: (key: string) =>
        store.has(key) ? Promise.resolve(store.get(key)) : Promise.reject(new Error("no such key")),
    }),
    updateRequestOrigin: (to: typeof origin) => {
      origin = to
    },
  }
  const { code } = plan.resources.find(({ name }) => name === "RouterCloudfrontFunctionRequest")!.inputs
  const handler = runInNewContext(`${String(code).replace('import cf from "cloudfront";', "")}; handler`, {
    cf,
  }) as Edge
  return async (uri: string, headers: Record<string, string> = {}) => {
    origin = {}
    const given = Object.entries({ host: "octant.example", ...headers }).map(
      ([name, value]) => [name, { value }] as const,
    )
    const event = { request: { uri, headers: Object.fromEntries(given) }, viewer: { ip: "2001:db8::7" } }
    const answer = await handler(event)
    return { to: origin.domainName?.replace(/url\..*/, ""), answer, headers: event.request.headers }
  }
}

test("every path goes to the function that answers it", async () => {
  const go = edgeOf(plan)
  for (const path of functions.collect.paths) expect([path, (await go(path)).to]).toEqual([path, "collect"])
  expect((await go("/hooks/src_acme_123")).to).toBe("hooks")
  for (const path of ["/v1/query", "/v1/customers/u1/timeline", "/health/live", "/v1/tracks", "/v1/hooks", "/"]) {
    expect([path, (await go(path)).to]).toEqual([path, "api"])
  }
})

test("the functions are told who has called, whatever the caller says", async () => {
  const { headers } = await edgeOf(plan)("/v1/query", { "x-octant-address": "10.0.0.1:1" })
  expect(headers["x-octant-address"]).toEqual({ value: "2001:db8::7:0" })
})

test("where there is a domain, CloudFront's own name answers nothing", async () => {
  expect((await edgeOf(plan)("/v1/query", { host: "router.cloudfront.net" })).answer).toMatchObject({ statusCode: 403 })
})
