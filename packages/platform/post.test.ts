import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import { createServer as createSecureServer } from "node:https"
import type { AddressInfo } from "node:net"
import { getCACertificates, setDefaultCACertificates } from "node:tls"
import { afterEach, describe, expect, test } from "vitest"
import { fakeClock, SECOND } from "#core/clock.ts"
import { newFigures } from "#core/figures.ts"
import { silent } from "#core/log.ts"
import type { TenantId } from "#store/keys.ts"
import { poster } from "./post.ts"

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

async function serve(listener: RequestListener) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.headers.host}${request.url}`)
    listener(request, response)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  stops.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, asked }
}
const ok: RequestListener = (_, response) => response.writeHead(200).end()
const clock = fakeClock("2026-01-31T12:00:00.000Z")
const figures = newFigures()

/** Sends to a URL; `names` says where names lead, one answer after another. */
function posting(names: Record<string, string[][]> = {}, loopback = true) {
  const resolve = async (name: string) => {
    const answer = names[name]?.shift() ?? []
    return answer.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }))
  }
  const post = poster({ clock, sleep: async () => {}, log: silent, figures, loopback, resolve })
  return (url: string, tenant = "acme") => post({ tenant: tenant as TenantId, url, headers: { a: "b" }, body: "{}" })
}
const forbidden = { error: expect.stringContaining("is not an address that the internet reaches") }

describe("an address that only we can reach", () => {
  test.each([
    "https://127.0.0.1/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fd00:ec2::254]/",
    "https://2130706433/",
  ])("is not sent to: %s", async (url) => expect(await posting({}, false)(url)).toEqual(forbidden))

  test.each([["127.0.0.1"], ["10.1.2.3"], ["fd00::1"], ["8.8.8.8", "192.168.0.1"]])(
    "is not sent to by a name that leads there: %s %s",
    async (...addresses) => {
      const post = posting({ "hook.example": [addresses.filter((one) => one !== undefined)] }, false)
      expect(await post("https://hook.example/")).toEqual(forbidden)
    },
  )

  test("is not sent to by a name that led elsewhere when it was looked at", async () => {
    const { port, asked } = await serve(ok)
    // A second look would find another machine: there is none.
    const post = posting({ "hook.example": [["127.0.0.1"], ["10.0.0.1"]] })
    expect(await post(`http://hook.example:${port}/a`)).toEqual({ status: 200 })
    expect(asked).toEqual([`POST hook.example:${port}/a`])
    expect(await post(`http://hook.example:${port}/b`)).toEqual(forbidden)
    expect(asked).toHaveLength(1)
  })

  test("is not sent to where the name has no address, or without TLS", async () => {
    expect(await posting()("https://nowhere.example/")).toEqual({ error: "nowhere.example has no address" })
    const plain = posting({ "hook.example": [["8.8.8.8"]] })
    expect(await plain("http://hook.example/")).toEqual({ error: "nothing is sent without TLS" })
  })
})

describe("over TLS, an endpoint", () => {
  const trusted = getCACertificates("default")
  afterEach(() => setDefaultCACertificates(trusted))
  const secure = async () => {
    const server = createSecureServer({ key: KEY, cert: CERTIFICATE }, ok)
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    stops.push(() => {
      server.closeAllConnections()
      server.close()
    })
    return (server.address() as AddressInfo).port
  }
  const names = () => ({ "hook.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]] })

  test("is sent to when its certificate is its name's and somebody vouches for it", async () => {
    setDefaultCACertificates([...trusted, CERTIFICATE])
    const port = await secure()
    expect(await posting(names())(`https://hook.example:${port}/`)).toEqual({ status: 200 })
  })

  test("is not sent to by another name, or when nobody vouches for it", async () => {
    const port = await secure()
    expect(await posting(names())(`https://hook.example:${port}/`)).toEqual({
      error: expect.stringContaining("self-signed certificate"),
    })
    setDefaultCACertificates([...trusted, CERTIFICATE])
    const { error } = (await posting(names())(`https://other.example:${port}/`)) as { error: string }
    expect(error).toContain("Hostname/IP does not match certificate's altnames")
  })
})

describe("an endpoint", () => {
  test("that answers without end has answered by its status", async () => {
    const { port } = await serve((_, response) => {
      response.writeHead(202)
      const more = () => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
      }
      response.on("drain", more)
      more()
    })
    expect(await posting()(`http://127.0.0.1:${port}/`)).toEqual({ status: 202 })
  })

  test("that redirects is not followed", async () => {
    const { port, asked } = await serve((_, response) => response.writeHead(307, { location: "/elsewhere" }).end())
    expect(await posting()(`http://127.0.0.1:${port}/`)).toEqual({ status: 307 })
    expect(asked).toHaveLength(1)
  })

  test("that would rather speak another protocol has failed at once", async () => {
    const { port } = await serve((request) =>
      request.socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
    )
    expect(await posting()(`http://127.0.0.1:${port}/`)).toEqual({ error: "the status 101 is none" })
  })

  test("that sends junk, or more headers than an answer has, has failed", async () => {
    const { port } = await serve((request) => request.socket.end("nonsense\r\n\r\n"))
    expect(await posting()(`http://127.0.0.1:${port}/`)).toEqual({ error: expect.stringContaining("Parse Error") })
    const many = await serve((_, response) => response.writeHead(200, { long: "x".repeat(20_000) }).end())
    expect(await posting()(`http://127.0.0.1:${many.port}/`)).toEqual({ error: expect.stringContaining("overflow") })
  })

  test("that keeps failing is left alone for ten seconds, for this tenant and no other", async () => {
    const { port, asked } = await serve((_, response) => response.writeHead(500).end())
    const post = posting()
    const url = `http://127.0.0.1:${port}/`
    for (let i = 0; i < 5; i++) expect(await post(url)).toEqual({ status: 500 })
    expect(await post(url)).toEqual({ error: expect.stringContaining("left alone") })
    expect(asked).toHaveLength(5)
    expect(await post(url, "globex")).toEqual({ status: 500 })
    clock.advance(11 * SECOND)
    expect(await post(url)).toEqual({ status: 500 })
  })

  test("that refuses by a 4xx is not left alone: it is well, and says no", async () => {
    const { port } = await serve((_, response) => response.writeHead(404).end())
    const post = posting()
    for (let i = 0; i < 8; i++) expect(await post(`http://127.0.0.1:${port}/`)).toEqual({ status: 404 })
  })
})

/** Of hook.example, by itself, from 2020 to 2120. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgo4hOPxAu0aul7BxU
6at0kejS6ygVkIil0/XmVd8aqlahRANCAARLLXDNHDgug0PFEiltxRdsRa7MqrzZ
j1z5NXPkU1k85hBW9Lp9plunSmljGkRVxJNZLrGIwrlLFlH9zSFIoRyD
-----END PRIVATE KEY-----`
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBazCCARCgAwIBAgIBATAKBggqhkjOPQQDAjAXMRUwEwYDVQQDDAxob29rLmV4
YW1wbGUwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBcxFTATBgNV
BAMMDGhvb2suZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEstcM0c
OC6DQ8USKW3FF2xFrsyqvNmPXPk1c+RTWTzmEFb0un2mW6dKaWMaRFXEk1kusYjC
uUsWUf3NIUihHIOjSzBJMBcGA1UdEQQQMA6CDGhvb2suZXhhbXBsZTAPBgNVHRMB
Af8EBTADAQH/MB0GA1UdDgQWBBT++JxS+IHWIz3Ivy5oEIdyVpgYWTAKBggqhkjO
PQQDAgNJADBGAiEAtW+5whwpv946VRDR84t48RbS7FLSEkiPSodeLMK24mgCIQDo
jk9zAkU5QLSP1GTBofF+3k0nxckQwRt8dQZFrGM6Vg==
-----END CERTIFICATE-----`
