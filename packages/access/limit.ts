import { type Clock, DAY, MINUTE, SECOND } from "#core/clock.ts"
import type { TenantId } from "#store/keys.ts"
import { type Dimension, dimensions, type PlanName, plans, type Quota, quotas } from "./plans.ts"

/** Who sends a request, what it weighs, and what it would use up. */
export type Request = {
  tenant: TenantId
  key: string
  user?: string | undefined
  ip?: string | undefined
  route: string
  plan: PlanName
  /** In ordinary requests; 1 if absent. */
  cost?: number
  spends?: Partial<Record<Quota, number>>
}

/** Whether a request may pass, and the figures of the dimension that refuses it or that is nearest to its limit. */
export type Verdict = {
  allowed: boolean
  reason: Dimension | Quota | "source"
  limit: number
  remaining: number
  resetMs: number
}

export type Knock = { tenant: TenantId; source: string; ip?: string | undefined; plan: PlanName }

export type Limiter = {
  /** Counts a request against everything at once, in one round trip. */
  check(request: Request): Promise<Verdict>
  /** Gives back what a request that was let through has not used of its day. */
  giveBack(unused: Required<Pick<Request, "tenant" | "plan" | "spends">>): Promise<void>
  /** Counts a knock at a source's door, which anybody may do: of this caller there, and of all. Nothing else is told of it. */
  knock(knock: Knock): Promise<Verdict>
  /** How a request that was let through has ended, so that whoever errs much is slowed first. */
  note(tenant: TenantId, status: number): void
}

/** One count: `minute` slides, `day` begins at midnight UTC. A negative cost gives back. */
export type Window = { span: "minute" | "day"; id: string; limit: number; cost: number }
export type Count = { allowed: boolean; remaining: number; resetMs: number }
/** Counts all windows in one round trip; counts are in their order. */
export type Windows = (windows: readonly Window[]) => Promise<Count[]>

export const spansMs = { minute: MINUTE, day: DAY } as const

/** The limits of the plans over something that counts. */
export function limiterOf({ windows, clock }: { windows: Windows; clock: Clock }): Limiter {
  const conduct = conductOf(clock)
  return {
    check: async (request) => {
      const asked = windowsOf(request, conduct.weight(request.tenant))
      const counts = await windows(asked.map(({ window }) => window))
      const verdict = verdictOf(asked, counts)
      if (verdict.allowed) return verdict
      conduct.note(request.tenant, true)
      // What is refused has used nothing of the day.
      const back = asked.filter(({ window }) => window.span === "day")
      if (back.length > 0) await windows(back.map(({ window }) => ({ ...window, cost: -window.cost })))
      return verdict
    },
    knock: async ({ tenant, source, ip, plan }) => {
      const { key, ip: perCaller } = plans[plan].requestsPerMinute
      const id = `${tenant}:source:${source}`
      const asked: Asked[] = [
        { reason: "source", window: { span: "minute", id, limit: key, cost: 1 } },
        ...(ip === undefined
          ? []
          : [{ reason: "ip", window: { span: "minute", id: `${id}:${ip}`, limit: perCaller, cost: 1 } } as const]),
      ]
      return verdictOf(asked, await windows(asked.map(({ window }) => window)))
    },
    giveBack: async (unused) => {
      const back = quotasOf(unused)
      if (back.length > 0) await windows(back.map(({ window }) => ({ ...window, cost: -window.cost })))
    },
    note: (tenant, status) => {
      // A refusal has been noted when it was given; a 5xx is our fault and not the tenant's.
      if (status !== 429) conduct.note(tenant, status >= 400 && status < 500)
    },
  }
}

type Asked = { reason: Verdict["reason"]; window: Window }

/** The one that refuses longest; else the one that is nearest to its limit. */
function verdictOf(asked: readonly Asked[], counts: readonly Count[]): Verdict {
  const verdicts = asked.map(({ reason, window }, i) => {
    const { resetMs, ...count } = counts[i]!
    const fades = count.allowed ? 0 : fadesMs(window)
    return { reason, limit: window.limit, ...count, resetMs: resetMs + fades }
  })
  const refusing = verdicts.filter(({ allowed }) => !allowed)
  if (refusing.length > 0) return refusing.reduce((a, b) => (b.resetMs > a.resetMs ? b : a))
  return verdicts.reduce((a, b) => (b.remaining / b.limit < a.remaining / a.limit ? b : a))
}

/** A minute slides: when the next begins, the last one counts whole. In so long it has faded enough for this request. */
const fadesMs = ({ span, limit, cost }: Window) =>
  span === "day" ? 0 : Math.ceil((spansMs.minute * (cost + HEAVIEST)) / limit)

function windowsOf({ tenant, plan, spends = {}, cost = 1, ...request }: Request, weight: number) {
  const { requestsPerMinute } = plans[plan]
  const who: Record<Dimension, string | undefined> = { ...request, user: request.user, ip: request.ip, tenant: "" }
  const rates = dimensions.flatMap((reason) => {
    const name = who[reason]
    if (name === undefined) return []
    const id = `${tenant}:${reason}:${name}`
    return [{ reason, window: { span: "minute", id, limit: requestsPerMinute[reason], cost: cost * weight } as Window }]
  })
  return [...rates, ...quotasOf({ tenant, plan, spends })]
}

const quotasOf = ({ tenant, plan, spends }: Required<Pick<Request, "tenant" | "plan" | "spends">>) =>
  (Object.keys(quotas) as Quota[]).flatMap((reason) => {
    const [limit, spent] = [plans[plan].perDay[reason], spends[reason] ?? 0]
    if (limit === "unlimited" || spent === 0) return []
    return [{ reason, window: { span: "day", id: `${tenant}:${reason}`, limit, cost: spent } as Window }]
  })

const HALF_LIFE_MS = 30 * SECOND
/** What a request of the worst weighs, and by how much less than that a minute may be overfilled. */
const HEAVIEST = 4
const FEW = 20
const TENANTS_REMEMBERED = 10_000

/**
 * Each tenant's share of requests that erred or were refused, fading with time. Above a quarter its requests weigh
 * double, above a half fourfold. Each function judges by what it has seen itself: that costs no round trip.
 */
function conductOf(clock: Clock) {
  const seen = new Map<TenantId, { at: number; all: number; bad: number }>()
  const faded = (tenant: TenantId) => {
    const now = clock()
    const { at, all, bad } = seen.get(tenant) ?? { at: now, all: 0, bad: 0 }
    const left = 0.5 ** ((now - at) / HALF_LIFE_MS)
    return { at: now, all: all * left, bad: bad * left }
  }
  return {
    weight: (tenant: TenantId) => {
      const { all, bad } = faded(tenant)
      if (all < FEW) return 1
      return bad / all > 0.5 ? HEAVIEST : bad / all > 0.25 ? 2 : 1
    },
    note: (tenant: TenantId, bad: boolean) => {
      if (seen.size >= TENANTS_REMEMBERED) seen.clear()
      const { at, all, bad: before } = faded(tenant)
      seen.set(tenant, { at, all: all + 1, bad: before + Number(bad) })
    },
  }
}

const WINDOWS_REMEMBERED = 50_000

/** Counts in this process. The same arithmetic as @upstash/ratelimit: a sliding minute out of two fixed ones, fixed days. */
export function windowsInProcess(clock: Clock): Windows {
  const kept = new Map<string, { index: number; now: number; before: number; ends: number }>()

  const count = ({ span, id, limit, cost }: Window): Count => {
    const [now, size] = [clock(), spansMs[span]]
    const index = Math.floor(now / size)
    const resetMs = (index + 1) * size - now
    const was = kept.get(`${span}:${id}`)
    const counted = was?.index === index ? was.now : 0
    const before = was === undefined ? 0 : was.index === index ? was.before : was.index === index - 1 ? was.now : 0
    const weighed = span === "day" ? 0 : Math.floor((1 - (now % size) / size) * before)
    if (span === "minute" && cost > 0 && weighed + counted >= limit) return { allowed: false, remaining: 0, resetMs }
    if (kept.size >= WINDOWS_REMEMBERED) forget(now)
    kept.set(`${span}:${id}`, { index, now: counted + cost, before, ends: (index + 2) * size })
    const left = limit - (counted + cost + weighed)
    return { allowed: left >= 0, remaining: Math.max(0, left), resetMs }
  }

  const forget = (now: number) => {
    for (const [id, { ends }] of kept) if (ends <= now) kept.delete(id)
    if (kept.size >= WINDOWS_REMEMBERED) kept.clear()
  }

  return async (windows) => windows.map(count)
}

/**
 * Counts elsewhere while that answers, else in this process: a limit must never keep out what could be let in.
 * `onChange` hears once when it goes and once when it is back.
 */
export function windowsWithin(shared: Windows, own: Windows, onChange: (away: boolean) => void): Windows {
  let away = false
  const change = (now: boolean) => {
    if (now !== away) onChange(now)
    away = now
  }
  return async (windows) => {
    try {
      const counts = await shared(windows)
      change(false)
      return counts
    } catch {
      change(true)
      return own(windows)
    }
  }
}
