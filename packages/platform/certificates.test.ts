import { expect, test } from "vitest"
import { fakeClock, HOUR } from "#core/clock.ts"
import { certificateFetcher } from "./certificates.ts"

const clock = fakeClock("2027-01-15T12:00:00.000Z")
const URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem"

function fetcher(answer: () => Promise<Response> | Response) {
  const asked: { url: string; init: RequestInit }[] = []
  const fetch = (async (url: string, init: RequestInit) => {
    asked.push({ url, init })
    return answer()
  }) as unknown as typeof globalThis.fetch
  return { asked, fetchText: certificateFetcher({ fetch, clock }) }
}

test("a certificate is fetched once an hour, without following anything", async () => {
  const { asked, fetchText } = fetcher(() => new Response("PEM"))
  expect(await Promise.all([fetchText(URL), fetchText(URL)])).toEqual(["PEM", "PEM"])
  expect(asked).toHaveLength(1)
  expect(asked[0]!.init).toMatchObject({ redirect: "error", signal: expect.any(AbortSignal) })
  clock.advance(HOUR)
  await fetchText(URL)
  expect(asked).toHaveLength(2)
})

test.each([
  ["is behind a vendor in trouble", () => new Response("", { status: 500 })],
  ["is behind a vendor that asks to slow down", () => new Response("", { status: 429 })],
  ["is somewhere else", () => new Response("", { status: 302, headers: { location: "http://127.0.0.1" } })],
  ["is larger than any", () => new Response("x".repeat(64 * 1024 + 1))],
  ["cannot be reached", () => Promise.reject(new TypeError("fetch failed"))],
])("one that %s makes the vendor come again, and is asked for again", async (_, answer) => {
  const { asked, fetchText } = fetcher(answer)
  await expect(fetchText(URL)).rejects.toMatchObject({ code: "unavailable", retryAfter: 10 })
  await expect(fetchText(URL)).rejects.toMatchObject({ code: "unavailable" })
  expect(asked).toHaveLength(2)
})

test.each([403, 404, 410])(
  "one that the vendor answers with %d is not there, and is asked for again",
  async (status) => {
    const { asked, fetchText } = fetcher(() => new Response("<html>", { status }))
    await expect(fetchText(URL)).rejects.toMatchObject({ code: "not_found" })
    await expect(fetchText(URL)).rejects.toMatchObject({ code: "not_found" })
    expect(asked).toHaveLength(2)
  },
)

test("nothing is asked for by plain http", async () => {
  const { asked, fetchText } = fetcher(() => new Response("PEM"))
  await expect(fetchText(URL.replace("https", "http"))).rejects.toThrow("by https alone")
  expect(asked).toEqual([])
})
