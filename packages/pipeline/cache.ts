import { LRUCache } from "lru-cache"
import type * as z from "zod/mini"
import { type Clock, instant, MINUTE } from "#core/clock.ts"
import { sha256 } from "#core/hash.ts"
import { zoneOf } from "#core/zone.ts"
import { type Query, questionOf } from "#metrics/query.ts"
import { journalHead } from "#store/journal.ts"
import { keys, type TenantId } from "#store/keys.ts"
import { readHead } from "#store/views.ts"
import { type Answer, type AnswerNeeds, answer } from "./answer.ts"

/** Texts kept for a while under a key. May forget anything at any time. */
export type Kept = {
  get(key: string): Promise<string | undefined>
  put(key: string, value: string, ttlMs: number): Promise<void>
}

export type CacheFigures = { since: string; hits: number; misses: number; skipped: number; hitRate: number | null }
/** Answers that were given before, and how often that helped each tenant. */
export type AnswerCache = {
  get(tenant: TenantId, key: string): Promise<string | undefined>
  put(tenant: TenantId, key: string, value: string): Promise<void>
  figures(tenant: TenantId): CacheFigures
}

type Outcome = "hit" | "miss" | "skipped"
const TTL_MS = 10 * MINUTE
const LARGEST = 512 * 1024
const TENANTS_REMEMBERED = 10_000

/** A cache that fails is passed over: its trouble is never the caller's. `hear` is told of each look-up. */
export function answerCache({
  kept,
  clock,
  hear = () => {},
}: {
  kept: Kept
  clock: Clock
  hear?: (outcome: Outcome) => void
}): AnswerCache {
  const counts = new LRUCache<TenantId, Record<Outcome, number>>({ max: TENANTS_REMEMBERED })
  const since = instant(clock())
  const count = (tenant: TenantId, outcome: Outcome) => {
    const before = counts.get(tenant) ?? { hit: 0, miss: 0, skipped: 0 }
    counts.set(tenant, { ...before, [outcome]: before[outcome] + 1 })
    hear(outcome)
  }
  return {
    get: async (tenant, key) => {
      try {
        const value = await kept.get(key)
        count(tenant, value === undefined ? "miss" : "hit")
        return value
      } catch {
        count(tenant, "skipped")
        return undefined
      }
    },
    put: async (_tenant, key, value) => {
      if (value.length <= LARGEST) await kept.put(key, value, TTL_MS).catch(() => {})
    },
    figures: (tenant) => {
      const { hit, miss, skipped } = counts.get(tenant) ?? { hit: 0, miss: 0, skipped: 0 }
      const asked = hit + miss + skipped
      return { since, hits: hit, misses: miss, skipped, hitRate: asked === 0 ? null : hit / asked }
    },
  }
}

const MOST_BYTES = 32 * 1024 * 1024

/** Kept in this process, the least recently used forgotten first. */
export function keptInProcess(clock: Clock, maxSize = MOST_BYTES): Kept {
  const entries = new LRUCache<string, { value: string; until: number }>({
    maxSize,
    sizeCalculation: ({ value }, key) => value.length + key.length + 1,
  })
  return {
    get: async (key) => {
      const entry = entries.get(key)
      return entry && entry.until > clock() ? entry.value : undefined
    },
    put: async (key, value, ttlMs) => {
      entries.set(key, { value, until: clock() + ttlMs })
    },
  }
}

/** Changes whenever the same journal gives other answers than before: a corrected metric, another form. */
const FORM = 1

/**
 * `answer`, out of the cache where it holds the answer at the very position that the journal has now. The position is
 * part of the key, and so are the views' generation, zone and currency: nothing has to be invalidated.
 */
export async function cachedAnswer(
  needs: AnswerNeeds & { cache?: AnswerCache },
  tenant: TenantId,
  query: z.output<typeof Query>,
): Promise<Answer> {
  const { cache, clock } = needs
  // What was true at an earlier position is asked for by people, once.
  if (!cache || query.asOf !== undefined) return answer(needs, tenant, query)
  const [head, journal] = await Promise.all([readHead(needs, tenant), journalHead(needs, tenant)])
  if (!head) return answer(needs, tenant, query)
  const { generation, zone, currency } = head
  const question = questionOf(query, zoneOf(zone).place(clock()).day)
  const asked = sha256(canonical([FORM, generation, zone, currency, question]))
  const keyAt = (position: number) => keys.answer(tenant, position, asked)
  const found = await cache.get(tenant, keyAt(journal.position))
  if (found !== undefined) return aged(JSON.parse(found) as Answer, clock)
  const fresh = await answer(needs, tenant, query)
  // A position that was taken but is not yet filled has no answer; what midnight has changed is another question's.
  if (fresh.position >= journal.position && fresh.query.from === question.from && fresh.query.to === question.to)
    await cache.put(tenant, keyAt(fresh.position), JSON.stringify(fresh))
  return fresh
}

const aged = (given: Answer, clock: Clock): Answer => {
  const { at } = given.freshness
  const seconds = at === null ? null : Math.max(0, Math.round((clock() - Date.parse(at)) / 1000))
  return { ...given, freshness: { at, seconds } }
}

/** JSON whose names are in order, so that the same question is the same text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null"
  const parts = Object.entries(value)
    .filter(([, part]) => part !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${parts.map(([name, part]) => `${JSON.stringify(name)}:${canonical(part)}`).join(",")}}`
}
