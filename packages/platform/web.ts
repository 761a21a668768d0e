/**
 * `Headers`, `Request` and `Response` as far as an HTTP function needs them, in place of Node's own, which come with all
 * of its `fetch`: most of what a bare Hono app takes to start (docs/decisions/011). What is asked of others still goes
 * through Node's `fetch`, with classes of its own. Bodies are text or bytes that are there as a whole: Lambda knows no others.
 */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/
const UNFIT = /[\0\r\n]|[^\0-\xff]/
const AROUND = /^[\t\n\r ]+|[\t\n\r ]+$/g

type Pairs = Iterable<readonly [string, string]> | Record<string, string>

export class LightHeaders {
  readonly #lines = new Map<string, string[]>()

  constructor(pairs: Pairs = {}) {
    const entries = Symbol.iterator in pairs ? (pairs as Iterable<readonly [string, string]>) : Object.entries(pairs)
    for (const [name, value] of entries) this.append(name, value)
  }
  append(name: string, value: string) {
    const [key, text] = [named(name), valued(value)]
    const lines = this.#lines.get(key)
    if (lines) lines.push(text)
    else this.#lines.set(key, [text])
  }
  set(name: string, value: string) {
    this.#lines.set(named(name), [valued(value)])
  }
  get(name: string) {
    return this.#lines.get(named(name))?.join(", ") ?? null
  }
  has(name: string) {
    return this.#lines.has(named(name))
  }
  delete(name: string) {
    this.#lines.delete(named(name))
  }
  getSetCookie() {
    return [...(this.#lines.get("set-cookie") ?? [])]
  }
  forEach(told: (value: string, name: string) => void) {
    for (const [name, value] of this) told(value, name)
  }
  *entries(): Generator<[string, string]> {
    for (const name of [...this.#lines.keys()].sort()) {
      const lines = this.#lines.get(name)!
      if (name === "set-cookie") for (const line of lines) yield [name, line]
      else yield [name, lines.join(", ")]
    }
  }
  *keys() {
    for (const [name] of this.entries()) yield name
  }
  *values() {
    for (const [, value] of this.entries()) yield value
  }
  [Symbol.iterator]() {
    return this.entries()
  }
}

function named(name: string) {
  if (!TOKEN.test(name)) throw new TypeError(`${JSON.stringify(name)} is no name of a header`)
  return name.toLowerCase()
}

function valued(value: string) {
  const text = String(value).replace(AROUND, "")
  if (UNFIT.test(text)) throw new TypeError("a header's value has a character that it may not have")
  return text
}

type Body = string | Uint8Array | null

class Message {
  readonly headers: LightHeaders
  readonly body: Body
  constructor(body: Body = null, headers?: Pairs | LightHeaders) {
    this.body = body
    this.headers = new LightHeaders(headers)
  }
  async text() {
    return typeof this.body === "string" ? this.body : Buffer.from(this.body ?? "").toString("utf8")
  }
  async json(): Promise<unknown> {
    return JSON.parse(await this.text())
  }
  async bytes() {
    return this.body instanceof Uint8Array ? this.body : Buffer.from(this.body ?? "")
  }
  /** Not a copy where it need not be one: whoever asks does not write into it. */
  async arrayBuffer() {
    const { buffer, byteOffset, byteLength } = await this.bytes()
    return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)
  }
}

type RequestInit = { method?: string; headers?: Pairs; body?: Body }
export class LightRequest extends Message {
  readonly url: string
  readonly method: string
  constructor(url: string, { method = "GET", headers, body }: RequestInit = {}) {
    super(body, headers)
    this.url = url
    this.method = method
  }
}

type ResponseInit = { status?: number; headers?: Pairs }
export class LightResponse extends Message {
  readonly status: number
  readonly bodyUsed = false
  constructor(body?: Body, { status = 200, headers }: ResponseInit = {}) {
    super(body, headers)
    this.status = status
    if (typeof body === "string" && !this.headers.has("content-type"))
      this.headers.set("content-type", "text/plain;charset=UTF-8")
  }
  get ok() {
    return this.status >= 200 && this.status < 300
  }
}

/** From here on this process has them in place of Node's own. */
export const installWeb = () =>
  void Object.assign(globalThis, { Headers: LightHeaders, Request: LightRequest, Response: LightResponse })
