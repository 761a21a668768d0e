import type { Scope } from "#access/caller.ts"
import { SECOND } from "#core/clock.ts"
import { Refusal, rootOf, Unreachable, Usage } from "./failure.ts"
import type { Remote } from "./options.ts"
import { runningOn, usualTenant } from "./storage.ts"
import type { Terminal } from "./terminal.ts"

/** An API, and a key for it. */
export type Target = { url: string; key: string }

const KEY_FORM = /^oct_(?:write|read|admin)_([a-z0-9-]{1,40})_[0-9A-Za-z]+$/

/** The API that options or environment name, else the local stack's. */
export function targetOf(options: Remote, terminal: Terminal, scope: Scope): Target {
  const url = options.url ?? terminal.env.OCTANT_URL
  const key = options.key ?? terminal.env.OCTANT_KEY
  if (key !== undefined) checkTenant(key, options.tenant)
  if (url !== undefined) {
    if (key === undefined) throw new Usage(`give a key of the scope ${scope} for ${url} in OCTANT_KEY, or with --key`)
    return { url: checkedUrl(url), key }
  }
  const dev = runningOn(options.data)
  if (!dev)
    throw new Error(`no Octant runs on ${options.data}: start it with npm start, or name another with --url and --key`)
  const home = scope === "write" ? dev.collectUrl : dev.apiUrl
  if (key !== undefined) return { url: home, key }
  const id = options.tenant ?? usualTenant(dev.tenants)
  const tenant = dev.tenants.find((one) => one.id === id)
  if (!tenant) {
    throw new Usage(
      `no key of ${id} is kept here: make one with octant keys create --tenant ${id} --scope ${scope} --name cli, and give it in OCTANT_KEY`,
    )
  }
  return { url: home, key: { write: tenant.writeKey, read: tenant.readKey, admin: tenant.adminKey }[scope] }
}

/** The key alone says whose data it is: another --tenant would be passed over in silence. */
function checkTenant(key: string, wanted: string | undefined) {
  const tenant = KEY_FORM.exec(key)?.[1]
  if (wanted !== undefined && tenant !== undefined && tenant !== wanted) {
    throw new Usage(`the key is one of ${tenant}, not of ${wanted}: give the other key, or leave --tenant out`)
  }
}

function checkedUrl(text: string) {
  const url = URL.parse(text)
  if (url?.protocol !== "http:" && url?.protocol !== "https:")
    throw new Usage(`--url must be like https://api.example.com, not ${text}`)
  return url.href.replace(/\/+$/, "")
}

export type Request = {
  method?: "GET" | "POST" | "PATCH" | "DELETE"
  body?: unknown
  headers?: Record<string, string>
  parameters?: Record<string, string | number | undefined>
}

/** A question may read some millions of events. */
const PATIENCE_MS = 300 * SECOND

/** Asks the API for JSON. Throws `Refusal` for any other answer than a good one. */
export async function ask<T>(
  target: Target,
  path: string,
  { method = "GET", body, headers = {}, parameters = {} }: Request = {},
): Promise<T> {
  const given = Object.entries(parameters).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  )
  const query = new URLSearchParams(given).toString()
  const response = await exchange(target, query === "" ? path : `${path}?${query}`, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  })
  return response as T
}

/** One request, one answer: the JSON of a 2xx, else a `Refusal`. A connection that fails is said in words. */
export async function exchange({ url, key }: Target, path: string, init: RequestInit): Promise<unknown> {
  let response: Response
  let text: string
  try {
    response = await fetch(url + path, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), authorization: `Bearer ${key}` },
    })
    text = await response.text()
  } catch (error) {
    const { code, message } = rootOf(error)
    throw new Unreachable(`nothing answers at ${url} (${code ?? message}): is it running? npm start starts a local one`)
  }
  const body = parsed(text)
  if (response.ok && body !== undefined) return body
  throw new Refusal(reasonOf(url, response, body), response.status, { body, retryAfterMs: retryAfterOf(response) })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function reasonOf(url: string, { status }: Response, body: unknown) {
  const { detail, field, code } = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>
  if (typeof detail !== "string") return `${url} does not answer as Octant does (status ${status}): check the URL`
  if (status === 401) return `${url} refused the key: ${detail}`
  return typeof field === "string" && !detail.startsWith(field) && code === "invalid_request"
    ? `${field}: ${detail}`
    : detail
}

/** Seconds, or a date. */
function retryAfterOf({ headers }: Response): number | undefined {
  const text = headers.get("retry-after")
  if (text === null) return undefined
  if (/^\d+$/.test(text)) return Number(text) * SECOND
  const [until, now] = [Date.parse(text), Date.parse(headers.get("date") ?? "")]
  return Number.isNaN(until) || Number.isNaN(now) ? undefined : Math.max(0, until - now)
}
