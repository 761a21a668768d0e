import { Hono } from "hono"
import { hookFinder, type Open } from "#access/hook.ts"
import { hookUrl } from "#access/source.ts"
import { MINUTE, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import type { Figures } from "#core/figures.ts"
import { failure, type Log } from "#core/log.ts"
import type { Tracing } from "#core/unit.ts"
import { type Hook, type Received, type ReceiveNeeds, receive } from "#pipeline/receive.ts"
import { refusalTrace } from "#pipeline/refusals.ts"
import type { Delivery } from "#sources/source.ts"
import { readBytes } from "./body.ts"
import { knockAt, type LimitNeeds } from "./limits.ts"
import { type Correlated, otherMethods, perRequest, problem } from "./problem.ts"

export type HooksNeeds = ReceiveNeeds &
  LimitNeeds & { log: Log; hooksUrl: () => string; figures?: Figures; tracing?: Tracing | undefined }

const BODY_BYTES = 1024 * 1024
/** A vendor that is told to wait so long tries again before it gives up (Whop: after 10, 20 and 40 seconds). */
const PAUSED_RETRY_SECONDS = MINUTE / SECOND

/** The door for vendors' webhooks. It answers 2xx only when what came is durable. */
export function hooksApp(needs: HooksNeeds) {
  const app = new Hono<Correlated>()
  const { find, again } = hookFinder(needs)
  const trace = refusalTrace(needs)
  const { log, clock, nonce, figures, tracing } = needs
  // A stranger who knocks with bad signatures must not use up what the tenant may ask: what it erred is not noted.
  app.use(perRequest({ log, clock, nonce, tracing, ...(figures ? { figures } : {}) }))
  app.onError((error, c) => problem(c, error, needs.log))
  app.notFound((c) => problem(c, new Fault("not_found", "there is no such path"), needs.log))

  app.post("/hooks/:source", async (c) => {
    const since = clock()
    const hook = await find(c.req.param("source"))
    c.set("tenant", hook.tenant)
    c.set("key", hook.source)
    await knockAt(c, needs, hook.tenant, hook.source)
    mustBeOpen(hook)
    const received = await taken(hook, await deliveryOf(c.req.raw, hook.source), since)
    c.set("outcome", received.outcome)
    if (received.outcome !== "refused") await noted(hook, trace.flush(hook.source))
    if (received.outcome === "answered") {
      const { status, headers, body } = received.answer
      return new Response(body, { status, headers: headers ?? {} })
    }
    if (received.outcome === "refused") {
      const { code, message } = received.refusal
      // Refused it is, whether or not that can be written down.
      await noted(hook, trace.refused(hook.tenant, hook.source, code))
      throw new Fault("unauthorized", message)
    }
    // Nothing is said to those who show their users what they are answered; only what could not be read is worth a word.
    return received.problem === undefined
      ? c.body(null, 200)
      : c.json({ outcome: received.outcome, detail: received.problem }, 202)
  })
  otherMethods(app)
  return app

  /** What the secrets of a moment ago do not prove, those of now may: somebody rotates while the vendor sends. */
  async function taken(hook: Open, delivery: Delivery, since: number): Promise<Received> {
    const received = await receive(needs, hook, delivery)
    if (received.outcome !== "refused" || received.refusal.code !== "bad_signature") return received
    const now = await again(hook.source, since)
    mustBeOpen(now)
    return now.secrets.join("\n") === hook.secrets.join("\n") ? received : receive(needs, now, delivery)
  }

  function noted({ tenant, source }: Pick<Hook, "tenant" | "source">, written: Promise<void>): Promise<void> {
    return written.catch((error: unknown) => log("error", { tenant, source, ...failure(error) }))
  }

  async function deliveryOf(request: Request, source: string): Promise<Delivery> {
    const query = request.url.indexOf("?")
    return {
      method: request.method,
      // As the vendor sees it, whatever stands in front of us: some sign it.
      url: hookUrl(needs.hooksUrl(), source) + (query < 0 ? "" : request.url.slice(query)),
      headers: Object.fromEntries(request.headers),
      body: await readBytes(request, BODY_BYTES),
      receivedAt: needs.clock(),
    }
  }
}

/** Throws if nothing is taken there for now. */
function mustBeOpen({ paused, secrets }: Open) {
  if (paused) throw wait("this source is paused")
  if (secrets.length === 0) throw wait("this source has no secret yet")
}

const wait = (why: string) => new Fault("unavailable", `${why}: try again later`, { retryAfter: PAUSED_RETRY_SECONDS })
