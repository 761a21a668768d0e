import { authenticator } from "#access/caller.ts"
import { planReader } from "#access/plans.ts"
import { Tenant } from "#access/tenant.ts"
import { trackingPlanReader } from "#access/tracking.ts"
import { apiApp } from "#api/api.ts"
import { collectApp } from "#api/collect.ts"
import { hooksApp } from "#api/hooks.ts"
import { type Clock, DAY, instant } from "#core/clock.ts"
import { type DevTenant, settle } from "#local/home.ts"
import { type StackOptions, startStack } from "#local/stack.ts"
import { newTails } from "#pipeline/reading.ts"
import type { Runtime } from "#platform/runtime.ts"
import type { Item, Key, Range, Table } from "#store/table.ts"

/** A small world: Acme and Globex on one stack, in memory. Each file of tests has one of its own. */
export async function startWorld(
  options: Pick<StackOptions, "clock" | "redis" | "workers" | "hiddenFor" | "tell"> = {},
) {
  const lines: Line[] = []
  const stack = await startStack({ ...options, log: (name, fields) => void lines.push({ name, ...fields }) })
  const tenant = (id: string, more: Partial<Tenant> = {}) =>
    settle(stack.runtime, Tenant.parse({ id, name: `The ${id} company`, ...more }))
  const [acme, globex] = [await tenant("acme"), await tenant("globex")]
  const now = Date.now()
  const days = { from: dayOf(now - 6 * DAY), to: dayOf(now + 2 * DAY) }

  const request = async (path: string, { method = "GET", key, headers = {}, body }: Sending = {}): Promise<Reply> => {
    const init = {
      method,
      headers: { ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...headers },
      ...(body === undefined ? {} : bodyOf(body)),
    }
    return replyOf(await fetch(stack.url + path, init))
  }
  /** The events that count on some days: these ones, if none are said. */
  const ask = (query: Record<string, string> = {}, who: DevTenant = acme) =>
    request(`/v1/query?${new URLSearchParams({ metric: "events", grain: "total", ...days, ...query })}`, {
      key: who.readKey,
    })
  /** The conservation ledger's total. */
  const ledger = async (who: DevTenant = acme): Promise<Ledger> => {
    const { json, text, status } = await request(`/v1/ledger?${new URLSearchParams(days)}`, { key: who.readKey })
    if (status !== 200) throw new Error(`the ledger of ${who.id} cannot be read: ${text}`)
    return json.total as Ledger
  }
  return {
    stack,
    /** What was logged. */
    lines,
    acme,
    globex,
    tenant,
    request,
    /** A batch, from Acme if nobody is named; `options` can say all else. */
    send: (body: unknown, options: Sending & { path?: string } = {}) =>
      request(options.path ?? "/v1/batch", { method: "POST", key: acme.writeKey, ...options, body }),
    ask,
    ledger,
    /** What has become of everything that a tenant has sent, by its ledger and by its metric. */
    counts: async (who: DevTenant = acme, day?: string): Promise<Counts> => {
      await stack.idle()
      const { balanced, ...total } = await ledger(who)
      if (!balanced) throw new Error(`the ledger of ${who.id} is out of balance`)
      const events = async (on = {}) => (await ask(on, who)).json.total as number
      return { ...total, events: (await events()) + (day === undefined ? 0 : await events({ from: day, to: day })) }
    },
    stop: stack.stop,
  }
}
export type World = Awaited<ReturnType<typeof startWorld>>

type Line = { name: string; [field: string]: unknown }
/** Text and bytes go out as they are, everything else as JSON. */
export type Sending = { method?: string; key?: string; headers?: Record<string, string>; body?: unknown }
export type Reply = { status: number; headers: Headers; text: string; json: Record<string, unknown> }
export type Ledger = {
  received: number
  counted: number
  duplicate: number
  rejected: number
  quarantined: number
  balanced: boolean
}
export type Counts = Omit<Ledger, "balanced"> & { events: number }
export const nothing: Counts = { received: 0, counted: 0, duplicate: 0, rejected: 0, quarantined: 0, events: 0 }

export const dayOf = (ms: number) => instant(ms).slice(0, 10)

/** What a body is to `fetch`. */
export function bodyOf(body: unknown): { body: string | Uint8Array<ArrayBuffer> } {
  if (body instanceof Uint8Array) return { body: Uint8Array.from(body) }
  return { body: typeof body === "string" ? body : JSON.stringify(body) }
}

export async function replyOf(response: Response): Promise<Reply> {
  const text = await response.text()
  const json = response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : {}
  return { status: response.status, headers: response.headers, text, json }
}

/** A runtime over another table (one that is watched, or that fails), or at another time. */
export const over = (runtime: Runtime, table: Table, clock: Clock = runtime.clock): Runtime => ({
  ...runtime,
  table,
  clock,
  authenticate: authenticator({ table, clock }),
  planOf: planReader({ table, clock }),
  trackingPlan: trackingPlanReader({ table, clock }),
})

/** The doors of a runtime, without a socket between. */
export function doors(runtime: Runtime) {
  const apps = {
    collect: collectApp(runtime),
    hooks: hooksApp(runtime),
    api: apiApp({ ...runtime, tails: newTails() }),
  }
  const knock = async (door: keyof typeof apps, path: string, init: RequestInit = {}) =>
    replyOf(await apps[door].request(`http://octant.example${path}`, init))
  return { ...apps, knock }
}

/** One call of a table: the keys that it names, and what it stores. */
export type Call = { name: keyof Table; keys: Partial<Key>[]; range?: Range; item?: Record<string, unknown> }

/** A table that tells what is asked of it before it answers; `hear` may throw instead. */
export const watched = (table: Table, hear: (call: Call) => void): Table => ({
  get: (key) => {
    hear({ name: "get", keys: [key] })
    return table.get(key)
  },
  getMany: (keys) => {
    hear({ name: "getMany", keys: [...keys] })
    return table.getMany(keys)
  },
  query: (pk, range) => {
    hear({ name: "query", keys: [{ pk }], range: range ?? {} })
    return table.query(pk, range)
  },
  pages: (pk, range) => {
    hear({ name: "pages", keys: [{ pk }], range: range ?? {} })
    return table.pages(pk, range)
  },
  put: (item: Item, condition) => {
    hear({ name: "put", keys: [item], item })
    return table.put(item, condition)
  },
  add: (key, amounts) => {
    hear({ name: "add", keys: [key], item: amounts })
    return table.add(key, amounts)
  },
  set: (key, values, condition) => {
    hear({ name: "set", keys: [key], item: values })
    return table.set(key, values, condition)
  },
  delete: (key) => {
    hear({ name: "delete", keys: [key] })
    return table.delete(key)
  },
  transact: (writes, token) => {
    const items = writes.map((write) => ("put" in write ? write.put : "set" in write ? write.set : write.delete))
    hear({ name: "transact", keys: items, item: Object.assign({}, ...items) })
    return table.transact(writes, token)
  },
  deleteMany: (keys) => {
    hear({ name: "deleteMany", keys: [...keys] })
    return table.deleteMany(keys)
  },
})
