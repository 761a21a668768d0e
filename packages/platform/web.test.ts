import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { LightHeaders, LightRequest, LightResponse } from "./web.ts"

const name = fc.constantFrom(
  "Accept",
  "ACCEPT",
  "x-a",
  "X-B",
  "set-cookie",
  "Set-Cookie",
  "content-type",
  "bad name",
  "",
  "ä",
)
const value = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom("a", " a\t", "a, b", "é", "\r\n", "a\nb", "\u0000", "日本", ""),
)
const step = fc.oneof(
  fc.record({ do: fc.constantFrom("set" as const, "append" as const), name, value }),
  fc.record({ do: fc.constantFrom("delete" as const, "get" as const, "has" as const), name, value: fc.constant("") }),
)
type Any = Headers | LightHeaders

/** What comes of it, an error being as good as any other answer. */
function outcome(headers: Any, one: { do: "set" | "append" | "delete" | "get" | "has"; name: string; value: string }) {
  try {
    return (headers[one.do] as (name: string, value: string) => unknown)(one.name, one.value) ?? null
  } catch (error) {
    return (error as Error).name
  }
}

describe("headers", () => {
  test("do whatever is done to them as Node's own do", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const [light, own] = [new LightHeaders(), new Headers()]
        for (const one of steps) expect(outcome(light, one)).toBe(outcome(own, one))
        expect([...light]).toEqual([...own])
        expect([...light.keys()]).toEqual([...own.keys()])
        expect([...light.values()]).toEqual([...own.values()])
        expect(light.getSetCookie()).toEqual(own.getSetCookie())
        expect([...new LightHeaders(light)]).toEqual([...new Headers([...own])])
      }),
      { numRuns: 500 },
    )
  })

  test("are made of pairs and of records, and told to whoever asks for each", () => {
    const told: string[] = []
    new LightHeaders([["B", "2"]]).forEach((text, key) => void told.push(`${key}=${text}`))
    new LightHeaders({ A: "1" }).forEach((text, key) => void told.push(`${key}=${text}`))
    expect(told).toEqual(["b=2", "a=1"])
  })

  test("are taken by Node's fetch as its own are", () => {
    expect(
      new Request("http://a.example", { headers: new LightHeaders({ "X-A": "1" }) as unknown as Headers }).headers.get(
        "x-a",
      ),
    ).toBe("1")
  })
})

describe("a body", () => {
  const bodies: [body: string | Uint8Array | null, text: string][] = [
    ["é", "é"],
    [Buffer.from("é"), "é"],
    [Buffer.from("abcdef").subarray(2, 4), "cd"],
    [null, ""],
  ]
  test.each(bodies)("of %j is text, bytes and a buffer", async (body, text) => {
    const message = new LightRequest("https://a.example/", { method: "POST", body })
    expect(await message.text()).toBe(text)
    expect(Buffer.from(await message.bytes()).toString()).toBe(text)
    expect(Buffer.from(await message.arrayBuffer()).toString()).toBe(text)
    expect(await new Response(body as string).text()).toBe(text)
  })

  test("of JSON is what it says", async () => {
    expect(await new LightResponse('{"a":1}').json()).toEqual({ a: 1 })
  })
})

describe("an answer", () => {
  test.each([200, 204, 299, 300, 404])("of %i is fine or not as Node has it", (status) => {
    expect(new LightResponse(null, { status }).ok).toBe(new Response(null, { status }).ok)
  })

  test("of text says so unless it says otherwise", () => {
    const types = [
      new LightResponse("a"),
      new LightResponse("a", { headers: { "Content-Type": "a/b" } }),
      new LightResponse(null),
    ]
    expect(types.map(({ headers }) => headers.get("content-type"))).toEqual(["text/plain;charset=UTF-8", "a/b", null])
  })
})
