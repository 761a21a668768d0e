import { type Clock, DAY, instant, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { sha256, shortHash } from "#core/hash.ts"
import { pack, unpack } from "#core/pack.ts"
import { type Actor, type AuditNeeds, audited } from "#store/audit.ts"
import type { DomainEvent } from "#store/domain-event.ts"
import { keys, type TenantId } from "#store/keys.ts"
import { happened, toTell } from "#store/outbox.ts"
import type { Item, Table, Write } from "#store/table.ts"
import type { Checkpoint, Kind, KindName, Priority } from "./kind.ts"
import type { Found } from "./result.ts"

export const states = ["queued", "running", "done", "failed", "cancelled"] as const
export type State = (typeof states)[number]

/** What takes longer than a request may. */
export type Job = {
  id: string
  kind: KindName
  state: State
  priority: Priority
  input: object
  progress: { done: number; total: number; unit: Kind["unit"] }
  createdAt: string
  startedAt: string | null
  endedAt: string | null
  by: Actor
  /** How often it was begun since it was last handed on. */
  attempts: number
  error: { code: string; message: string } | null
  resultBytes: number | null
}

/** A job as it is kept: with what its workers must know. */
export type Kept = Job & {
  /** Another one with each write: whoever writes over an older one has lost it. */
  version: number
  /** Of what it was asked for, so that another body under the same `Idempotency-Key` is told from the same. */
  asked: string
  /** Which of the tenant's places it holds until it is over. */
  place: number
  /** The run that has it, until when nobody else may take it up, and what it leaves for the next. */
  run: string
  runUntilMs: number
  checkpoint: Checkpoint | undefined
  /** When it was last queued. */
  queuedMs: number
  found: Found | undefined
}

/** Puts a job before the workers of its priority. Twice does no harm. */
export type SendJob = (
  job: { tenant: TenantId; id: string; priority: Priority },
  delaySeconds?: number,
) => Promise<void>

export const JOB_ID = /^job_[\w-]{16}$/
/** From its end on. */
const KEPT_DAYS = 30
const RETRY_AFTER_SECONDS = 30
/** Others may take a place or change the job meanwhile. */
const ATTEMPTS = 20

export const isOver = ({ state }: Pick<Job, "state">) => state !== "queued" && state !== "running"
export const ttlFrom = (now: number) => Math.ceil((now + KEPT_DAYS * DAY) / SECOND)

export type NewJob = { kind: KindName; input: object; idempotencyKey?: string | undefined }
type Needs = AuditNeeds & { table: Table; clock: Clock }

/**
 * Makes a job, or gives the one that was made under the same `Idempotency-Key`. Throws `Fault("too_many_jobs")` when
 * `most` are not over, and `Fault("idempotency_conflict")` for another body under the same key.
 */
export async function createJob(needs: Needs, tenant: TenantId, wish: NewJob, of: Kind, most: number): Promise<Job> {
  const { clock, nonce, actor = "operator" } = needs
  const { kind, input, idempotencyKey } = wish
  const id = `job_${shortHash(idempotencyKey === undefined ? `nonce ${nonce()}` : `key ${idempotencyKey}`)}`
  const asked = sha256(JSON.stringify([kind, input]))
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const there = await readJob(needs, tenant, id)
    if (there && there.asked !== asked) {
      const message = "this Idempotency-Key was used with another body; send a new key"
      throw new Fault("idempotency_conflict", message, { field: "Idempotency-Key" })
    }
    if (there) return there
    const place = await freePlace(needs, tenant, most)
    const now = clock()
    const item = {
      ...keys.job(tenant, id),
      kind,
      state: "queued",
      priority: of.priority,
      input: pack(input),
      done: 0,
      total: 0,
      unit: of.unit,
      createdMs: now,
      by: actor,
      attempts: 0,
      version: 1,
      asked,
      place,
      queuedMs: now,
    }
    // One that is over may lie there for days before the table forgets it.
    const forgotten = { attribute: "ttl", is: "<", value: Math.floor(now / SECOND), orAbsent: true } as const
    const made = await audited(needs, tenant, { action: "job.create", subject: id, details: { kind } }, [
      { put: item, condition: forgotten },
      { put: { ...keys.jobListed(tenant, now, id), kind } },
      { put: { ...keys.jobPlace(tenant, place), id }, condition: "absent" },
    ])
    if (made) return toJob(item)
  }
  throw new Fault("unavailable", "too many jobs are being made at this moment; try again", { retryAfter: 1 })
}

async function freePlace({ table }: Needs, tenant: TenantId, most: number): Promise<number> {
  const taken = new Set((await table.query(keys.jobPlaces(tenant))).map(({ sk }) => Number(sk)))
  for (let place = 0; place < most && taken.size < most; place++) if (!taken.has(place)) return place
  const message = `the plan includes ${most} jobs at once; wait for one to end, or cancel one`
  throw new Fault("too_many_jobs", message, { retryAfter: RETRY_AFTER_SECONDS })
}

/** `undefined` for one that is not there or, a month after its end, not there any more. */
export async function readJob(
  { table, clock }: { table: Pick<Table, "get">; clock: Clock },
  tenant: TenantId,
  id: string,
): Promise<Kept | undefined> {
  const item = JOB_ID.test(id) ? await table.get(keys.job(tenant, id)) : undefined
  return item && isKept(item, clock()) ? toJob(item) : undefined
}

/** Throws `Fault("not_found")`. */
export async function getJob(needs: Parameters<typeof readJob>[0], tenant: TenantId, id: string): Promise<Kept> {
  const job = await readJob(needs, tenant, id)
  if (!job) throw new Fault("not_found", "there is no such job")
  return job
}

/** The table forgets late, and the local one never does. */
const isKept = ({ ttl }: Item, now: number) => ttl === undefined || Number(ttl) >= Math.floor(now / SECOND)

export type JobsPage = { limit: number; after?: string; kind?: KindName; state?: State }
/** A question may be long; a page with so much of them is full. */
const PAGE_CHARACTERS = 1_000_000
/** How many jobs a search may look at for one page. */
const LOOKED_AT = 500

/** Jobs, the newest first, before the one that a page ended with. */
export async function listJobs(
  { table, clock }: { table: Pick<Table, "query" | "getMany">; clock: Clock },
  tenant: TenantId,
  page: JobsPage,
): Promise<{ jobs: Job[]; next?: string }> {
  const upTo = page.after === undefined ? {} : { to: page.after }
  const isSearch = page.kind !== undefined || page.state !== undefined
  // The one that the page before ended with, and one to know whether there are more.
  const most = isSearch ? LOOKED_AT : page.limit + 2
  const listed = await table.query(keys.jobList(tenant), { ...upTo, reverse: true, limit: most })
  const isMore = listed.length === most
  const now = clock()
  const wanted = listed
    .filter((item) => item.sk !== page.after && isKept(item, now))
    .filter(({ kind }) => page.kind === undefined || kind === page.kind)
  const ids = wanted.map(({ sk }) => keys.job(tenant, sk.slice(sk.indexOf("-") + 1)))
  const found = new Map((await table.getMany(ids)).map((item) => [item.sk, item]))
  const jobs: Job[] = []
  let characters = 0
  for (const [i, { sk }] of ids.entries()) {
    const item = found.get(sk)
    if (!item || !isKept(item, now)) continue
    const job = toJob(item)
    if (page.state !== undefined && job.state !== page.state) continue
    jobs.push(shown(job))
    characters += JSON.stringify(job.input).length
    if (jobs.length === page.limit || characters > PAGE_CHARACTERS)
      return i + 1 < ids.length || isMore ? { jobs, next: wanted[i]!.sk } : { jobs }
  }
  return isMore ? { jobs, next: listed.at(-1)!.sk } : { jobs }
}

/** Ends a job before its end. Throws `Fault("not_found")`, or `Fault("conflict")` for one that is over otherwise. */
export async function cancelJob(needs: Needs, tenant: TenantId, id: string): Promise<Job> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const job = await getJob(needs, tenant, id)
    if (job.state === "cancelled") return job
    if (isOver(job)) throw new Fault("conflict", `this job is ${job.state} already`)
    const deed = { action: "job.cancel", subject: id, details: { kind: job.kind } }
    await audited(needs, tenant, deed, ending(tenant, job, { state: "cancelled" }, needs.clock()))
  }
  throw new Fault("unavailable", "this job is changing too fast; try again", { retryAfter: 1 })
}

export type End = { state: "done" | "failed" | "cancelled"; error?: Job["error"]; found?: Found }

/** A job that is over, in one write: over the one that was read, with its place given back. */
export const ending = (tenant: TenantId, job: Kept, { state, error, found }: End, now: number): Write[] => [
  {
    set: keys.job(tenant, job.id),
    values: {
      state,
      endedMs: now,
      ttl: ttlFrom(now),
      version: job.version + 1,
      runUntilMs: null,
      checkpoint: null,
      ...(state === "done" ? { done: job.progress.total } : {}),
      ...(error ? { errorCode: error.code, errorMessage: error.message } : {}),
      ...(found ? { resultParts: found.parts, resultBytes: found.bytes } : {}),
    },
    condition: { attribute: "version", is: "=", value: job.version },
  },
  { set: keys.jobListed(tenant, Date.parse(job.createdAt), job.id), values: { ttl: ttlFrom(now) } },
  { delete: keys.jobPlace(tenant, job.place) },
  // Who has cancelled a job knows it.
  ...(state === "cancelled" ? [] : [toTell(endOf(tenant, job, { state, error: error ?? null }, now))]),
]

/** What others are told of the end of a job: not what it found, which is asked for. */
function endOf(tenant: TenantId, job: Kept, { state, error }: Pick<Job, "error" | "state">, now: number): DomainEvent {
  const { id, kind, createdAt, by } = job
  const endedAt = instant(now)
  const data = { id, kind, state, createdAt, endedAt, by, error }
  return happened(tenant, state === "done" ? "job.done" : "job.failed", id, { at: endedAt, data })
}

/** What anybody may see of it. */
export function shown(job: Job): Job {
  const { id, kind, state, priority, input, progress, createdAt, startedAt, endedAt, by, attempts, error } = job
  const about = { id, kind, state, priority, input, progress, createdAt, startedAt, endedAt, by, attempts, error }
  return { ...about, resultBytes: job.resultBytes }
}

const instantOrNull = (ms: unknown) => (ms === undefined ? null : instant(Number(ms)))

function toJob(item: Item): Kept {
  const { resultParts: parts, resultBytes: bytes } = item
  const run = String(item.run ?? "")
  return {
    id: item.sk,
    kind: item.kind as KindName,
    state: item.state as State,
    priority: item.priority as Priority,
    input: unpack<object>(item.input as Uint8Array),
    progress: { done: Number(item.done), total: Number(item.total), unit: item.unit as Kind["unit"] },
    createdAt: instant(Number(item.createdMs)),
    startedAt: instantOrNull(item.startedMs),
    endedAt: instantOrNull(item.endedMs),
    by: item.by as Actor,
    attempts: Number(item.attempts),
    error:
      item.errorCode === undefined ? null : { code: String(item.errorCode), message: String(item.errorMessage ?? "") },
    resultBytes: bytes === undefined ? null : Number(bytes),
    version: Number(item.version),
    asked: String(item.asked),
    place: Number(item.place),
    run,
    runUntilMs: Number(item.runUntilMs ?? 0),
    checkpoint: item.checkpoint === undefined ? undefined : (JSON.parse(String(item.checkpoint)) as Checkpoint),
    queuedMs: Number(item.queuedMs),
    found: parts === undefined ? undefined : { run, parts: Number(parts), bytes: Number(bytes) },
  }
}
