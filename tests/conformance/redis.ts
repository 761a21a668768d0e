import { spawn, spawnSync } from "node:child_process"
import { setTimeout as pause } from "node:timers/promises"
import { Redis } from "ioredis"
import { keep } from "#local/child.ts"
import { serveHttp } from "#local/http.ts"
import { freePort, LOOPBACK } from "#local/port.ts"
import { upstashApp } from "#local/upstash.ts"

/** Whether this machine has a redis-server (`apt-get install redis-server`). */
export const hasRedis = () => spawnSync("redis-server", ["--version"]).status === 0

const TOKEN = "a token that only the tests know"
const STARTS_WITHIN_MS = 10_000

/** A real Redis in memory behind Upstash's REST protocol. It can be killed and begun again on the same address. */
export async function startRedis() {
  const port = await freePort()
  const begin = async () => {
    const child = await keep(
      spawn("redis-server", ["--port", String(port), "--bind", LOOPBACK, "--save", "", "--appendonly", "no"]),
    )
    for (const until = Date.now() + STARTS_WITHIN_MS; !child.said().includes("Ready to accept"); await pause(20)) {
      if (child.hasEnded() || Date.now() > until) throw new Error(`redis-server did not start: ${child.said()}`)
    }
    return child
  }
  let child = await begin()
  const client = new Redis(port, LOOPBACK, {
    maxRetriesPerRequest: 0,
    retryStrategy: () => 50,
    enableOfflineQueue: false,
  })
  client.on("error", () => {})
  const ready = async () => {
    for (const until = Date.now() + STARTS_WITHIN_MS; client.status !== "ready"; await pause(10))
      if (Date.now() > until) throw new Error("the client found no Redis")
  }
  await ready()

  const trips: string[] = []
  /** How the way to Redis is at this moment: a silent one takes what is sent and never answers. */
  let way: "open" | "silent" = "open"
  const app = upstashApp({
    token: TOKEN,
    redis: {
      run: ([name, ...rest]) => client.callBuffer(name!, ...rest),
      runAll: async (commands) => {
        const multi = client.multi()
        for (const [name, ...rest] of commands) multi.call(name!, ...rest)
        return (await multi.exec()) ?? []
      },
    },
  })
  const server = await serveHttp([
    {
      prefix: "/",
      fetch: async (request) => {
        trips.push(new URL(request.url).pathname)
        if (way === "silent") await pause(1500, undefined, { ref: false })
        return app.fetch(request)
      },
    },
  ])
  return {
    url: server.url,
    token: TOKEN,
    environment: { OCTANT_REDIS_URL: server.url, OCTANT_REDIS_TOKEN: TOKEN },
    client,
    /** Requests that have reached the REST door, by path. */
    trips,
    set way(wanted: "open" | "silent") {
      way = wanted
    },
    kill: async () => {
      process.kill(child.pid, "SIGKILL")
      while (!child.hasEnded()) await pause(5)
    },
    begin: async () => {
      child = await begin()
      await ready()
    },
    stop: async () => {
      client.disconnect()
      await server.stop()
      await child.stop()
    },
  }
}
export type RealRedis = Awaited<ReturnType<typeof startRedis>>
