import fc from "fast-check"
import { Hono } from "hono"
import { handle, type LambdaContext } from "hono/aws-lambda"
import { afterAll, expect, test } from "vitest"
import { door, type UrlEvent } from "./door.ts"

// A door takes the process over; what other tests of it need is given back.
const own = { Headers, Request, Response }
afterAll(() => void Object.assign(globalThis, own))

const told = { ready: () => {}, figures: async () => {}, spans: async () => {} }

/** Says what it was asked, in the answer's body and headers. */
const echo = new Hono()
echo.all("*", async (c) => {
  c.header("X-Asked-By", c.req.header("x-a") ?? "nobody")
  c.header("Set-Cookie", "a=1")
  c.header("Set-Cookie", "b=2; Path=/", { append: true })
  const { method, url } = c.req
  const body = Buffer.from(await c.req.raw.arrayBuffer()).toString("base64")
  return c.json({ method, url, body, query: c.req.query(), cookie: c.req.header("cookie") ?? null }, 201)
})

function eventOf(asked: Partial<UrlEvent> & { method?: string }): UrlEvent {
  const { method = "GET", ...more } = asked
  const http = { method, sourceIp: "203.0.113.7" }
  return {
    rawPath: "/",
    rawQueryString: "",
    headers: { host: "octant.example" },
    requestContext: { domainName: "octant.example", http },
    isBase64Encoded: false,
    ...more,
  }
}

/** An oracle: Hono's own adapter, which knows every kind of event there is. */
const byHono = async (event: UrlEvent) => {
  const context = { ...event.requestContext, http: { ...event.requestContext.http, path: event.rawPath } }
  const whole = { version: "2.0", routeKey: "$default", ...event, requestContext: context }
  return handle(echo)(whole as unknown as Parameters<ReturnType<typeof handle>>[0], {} as LambdaContext)
}

test("an app behind a Function URL is asked and answers as by Hono's own adapter", async () => {
  const asking = fc.record({
    method: fc.constantFrom("GET", "POST", "PUT", "DELETE"),
    rawPath: fc.constantFrom("/", "/v1/batch", "/a%20b/%C3%A9"),
    rawQueryString: fc.constantFrom("", "a=1&b=%C3%A9", "a=1&a=2", "where=%7B%7D"),
    headers: fc.record({
      host: fc.constant("octant.example"),
      "x-a": fc.option(fc.constantFrom("b", "a, b"), { nil: undefined }),
    }),
    cookies: fc.subarray(["a=1", "b=2"]),
    text: fc.constantFrom("", '{"a":"é"}', "\u0000\u0001"),
    isBase64Encoded: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(asking, async ({ text, cookies, method, ...asked }) => {
      const event = eventOf({
        ...asked,
        method,
        ...(cookies.length > 0 ? { cookies } : {}),
        ...(text === "" || method === "GET"
          ? {}
          : { body: asked.isBase64Encoded ? Buffer.from(text).toString("base64") : text }),
      })
      const [ours, hono] = [await door({ told }, echo)(event), (await byHono(event)) as { body: string }]
      expect({ ...ours, body: JSON.parse(ours.body) }).toEqual({ ...hono, body: JSON.parse(hono.body) })
    }),
  )
})

test("bytes are answered as such", async () => {
  const app = new Hono().get("/", (c) => c.body(Uint8Array.of(0, 255, 128)))
  expect(await door({ told }, app)(eventOf({}))).toMatchObject({ body: "AP+A", isBase64Encoded: true, statusCode: 200 })
})

test("a header that no browser could send does not keep the request out", async () => {
  const { headers } = await door({ told }, echo)(eventOf({ headers: { "x-a": "日本\u0007é" } }))
  expect(headers["x-asked-by"]).toBe("???é")
  const { body } = await door({ told }, echo)(eventOf({ cookies: ["a=1", "b=日本\n"] }))
  expect(JSON.parse(body)).toMatchObject({ cookie: "a=1; b=???" })
})

test("what the app throws is told, and the figures are written nevertheless; spans wait until the answer is out", async () => {
  const done: string[] = []
  const runtime = {
    told: {
      ready: () => {},
      figures: async () => void done.push("figures"),
      spans: async () => void done.push("spans"),
    },
  }
  const broken = { fetch: () => Promise.reject(new Error("broken")) }
  await expect(door(runtime, broken)(eventOf({}))).rejects.toThrow("broken")
  expect(done).toEqual(["figures"])
  await new Promise((after) => setImmediate(after))
  expect(done).toEqual(["figures", "spans"])
})
