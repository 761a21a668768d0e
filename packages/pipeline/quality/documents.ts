import { DAY, HOUR, instant, SECOND } from "#core/clock.ts"
import { sha256 } from "#core/hash.ts"
import { pack, unpack } from "#core/pack.ts"
import { addDays } from "#core/zone.ts"
import { fromJson, toJson } from "#science/sketch.ts"
import type { Counted } from "#sources/source.ts"
import { keys, type TenantId } from "#store/keys.ts"
import { toTell } from "#store/outbox.ts"
import type { Item, Table } from "#store/table.ts"
import { type Alert, alertEvent, type Standing } from "./alert.ts"
import type { Identity } from "./identities.ts"
import type { Day, Hour } from "./observe.ts"
import type { Part, PartName } from "./parts.ts"

type Needs = { table: Table }

const MOST_BYTES = 380 * 1024
const TOKEN_LENGTH = 32
const KEPT_DAYS = 35
const TRENDS_KEPT_DAYS = 400
const ttlOf = (ms: number, days: number) => Math.ceil((ms + days * DAY) / SECOND)

/** Hour by hour what sources sent, by `day#source`, of the days in [from, to] (UTC). */
export async function readDays(
  { table }: Needs,
  tenant: TenantId,
  from: string,
  to: string,
): Promise<Map<string, Day>> {
  const items = await table.query(keys.observed(tenant), { from, to: `${to}#\uffff` })
  return new Map(
    items.map(({ sk, position, body }) => [
      sk,
      { position: Number(position), hours: hoursFrom(unpack<Record<string, StoredHour>>(body as Uint8Array)) },
    ]),
  )
}

/** Only over an older one: of two checks at once, the later wins and nothing is counted twice. */
export async function writeDay({ table }: Needs, tenant: TenantId, name: string, day: Day, position: number) {
  const body = pack(hoursTo(day.hours))
  if (body.length > MOST_BYTES) return
  const ttl = ttlOf(Date.parse(name.slice(0, 10)), KEPT_DAYS)
  await table.put(
    { pk: keys.observed(tenant), sk: name, position, body, ttl },
    { attribute: "position", is: "<", value: position, orAbsent: true },
  )
}

type StoredHour = Omit<Hour, "lag" | "amounts"> & { lag: number[]; amounts: Record<string, number[]> }
const mapped = <A, B>(record: Record<string, A>, to: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, to(value)]))
const hoursTo = (hours: Record<string, Hour>) =>
  mapped(hours, (hour): StoredHour => ({ ...hour, lag: toJson(hour.lag), amounts: mapped(hour.amounts, toJson) }))
const hoursFrom = (hours: Record<string, StoredHour>) =>
  mapped(hours, (hour): Hour => ({ ...hour, lag: fromJson(hour.lag), amounts: mapped(hour.amounts, fromJson) }))

/** Up to where the journal has been observed; `undefined` before the first check. */
export async function readCursor({ table }: Needs, tenant: TenantId): Promise<number | undefined> {
  const item = await table.get(keys.observedUpTo(tenant))
  return item && Number(item.position)
}
export const writeCursor = ({ table }: Needs, tenant: TenantId, position: number) =>
  table.put(
    { ...keys.observedUpTo(tenant), position },
    { attribute: "position", is: "<", value: position, orAbsent: true },
  )

/** Sums over all customers' own rows beside those over all days, at one position of the journal. */
export type Sweep = { at: string; position: number; list: Identity[] }

export async function readSweep({ table }: Needs, tenant: TenantId): Promise<Sweep | undefined> {
  const item = await table.get(keys.sweep(tenant))
  return item && unpack<Sweep>(item.body as Uint8Array)
}
export const writeSweep = ({ table }: Needs, tenant: TenantId, sweep: Sweep) =>
  table.put({ ...keys.sweep(tenant), body: pack(sweep) })

/** What a vendor counts of one day of one source, and what we do: the query shows ours. */
export type Census = Counted & {
  source: string
  /** The tenant's. */
  day: string
  at: string
  /** What the vendor was asked to count. */
  from: string
  to: string
  ours: number
  query: string
}

export async function readCensus({ table }: Needs, tenant: TenantId, from: string, to: string): Promise<Census[]> {
  const items = await table.query(keys.census(tenant), { from, to: `${to}#\uffff` })
  return items.map(({ body }) => unpack<Census>(body as Uint8Array))
}
export const writeCensus = ({ table }: Needs, tenant: TenantId, census: Census) =>
  table.put({
    pk: keys.census(tenant),
    sk: `${census.day}#${census.source}`,
    body: pack(census),
    ttl: ttlOf(Date.parse(census.at), KEPT_DAYS),
  })

/** What was done without being asked, about which part of which source. */
export type Remedy = { at: string; source: string; part: PartName; what: string; outcome: string }

/** What one check found of one source, and did about it; the last one of each hour is kept. */
export type Check = {
  source: string
  at: string
  score: number | null
  /** Of the tenant, where the check is of all its sources together. */
  overall?: number | null
  parts: Part[]
  remedies?: Remedy[]
}

export const writeCheck = ({ table }: Needs, tenant: TenantId, check: Check, now: number) =>
  table.put({
    pk: keys.checks(tenant),
    sk: `${check.at.slice(0, 13)}#${check.source}`,
    body: pack(check),
    ttl: ttlOf(now, TRENDS_KEPT_DAYS),
  })

/** Checks of the days in [from, to] (UTC), by time. */
export async function readChecks({ table }: Needs, tenant: TenantId, from: string, to: string): Promise<Check[]> {
  const items = await table.query(keys.checks(tenant), { from, to: `${addDays(to, 1)}` })
  return items.map(({ body }) => unpack<Check>(body as Uint8Array))
}

/** What was done in an hour so far, by source: its last check takes the place of those before. */
export async function readDone({ table }: Needs, tenant: TenantId, now: number): Promise<Map<string, Remedy[]>> {
  const hour = instant(now).slice(0, 13)
  const items = await table.query(keys.checks(tenant), { from: hour, to: `${hour}#\uffff` })
  const checks = items.map(({ body }) => unpack<Check>(body as Uint8Array))
  return new Map(checks.map(({ source, remedies }) => [source, remedies ?? []]))
}

/** How the sources stand: what the last checks of each came to. */
export async function readStandings({ table }: Needs, tenant: TenantId): Promise<Map<string, Standing>> {
  const items = await table.query(keys.standings(tenant))
  return new Map(items.map(({ sk, body }) => [sk, unpack<Standing>(body as Uint8Array)]))
}
export const writeStanding = ({ table }: Needs, tenant: TenantId, source: string, standing: Standing) =>
  table.put({ pk: keys.standings(tenant), sk: source, body: pack(standing) })

export async function readAlerts({ table }: Needs, tenant: TenantId): Promise<Alert[]> {
  const items = await table.query(keys.alerts(tenant))
  return items
    .map(({ body }) => unpack<Alert>(body as Uint8Array))
    .sort((a, b) => (a.openedAt < b.openedAt ? 1 : a.openedAt > b.openedAt ? -1 : a.id < b.id ? -1 : 1))
}
export async function readAlert({ table }: Needs, tenant: TenantId, id: string): Promise<Alert | undefined> {
  const item = await table.get(keys.alert(tenant, id))
  return item && unpack<Alert>(item.body as Uint8Array)
}
export const writeAlert = ({ table }: Needs, tenant: TenantId, alert: Alert) => table.put(itemOf(tenant, alert))
/** An alert that has opened or closed, together with the event that tells of it: neither is without the other. */
export const turnAlert = ({ table }: Needs, tenant: TenantId, alert: Alert) =>
  table.transact(
    [{ put: itemOf(tenant, alert) }, toTell(alertEvent(tenant, alert))],
    sha256(JSON.stringify(alert)).slice(0, TOKEN_LENGTH),
  )
const itemOf = (tenant: TenantId, alert: Alert): Item => ({
  ...keys.alert(tenant, alert.id),
  body: pack(alert),
  ...(alert.closedAt === undefined ? {} : { ttl: ttlOf(Date.parse(alert.closedAt), TRENDS_KEPT_DAYS) }),
})

/** The UTC days that a look back of some days needs, with the present one. */
export const daysBack = (now: number, days: number) => ({
  from: instant(now - days * DAY).slice(0, 10),
  to: instant(now + HOUR).slice(0, 10),
})
