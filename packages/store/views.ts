import { type Clock, DAY, MINUTE, SECOND } from "#core/clock.ts"
import { pack, packText, unpack, unpackText } from "#core/pack.ts"
import { breath, inFlight, slices } from "#core/parallel.ts"
import { keys, padded, type TenantId } from "./keys.ts"
import type { Item, Key, Table } from "./table.ts"

/**
 * Views: values and the journal position up to which they are true. A fold changes many items, and they change as one:
 * it first writes all their new values down (the redo), then commits them by one conditional write to the head, then
 * puts each in its place. Whoever comes after a crash finds the commit and finishes it; a reader in the middle reads
 * the redo on top of the items. A generation is one whole set of views; a replay builds the next beside the current.
 */
export type ViewItem = Key & { value: unknown }

export type Head = {
  generation: number
  /** Every item is true up to here (and the redo, if there is one, up to `pending.to`). */
  position: number
  /** When the entry there was appended. */
  at: string | undefined
  zone: string
  currency: string
  customerCount: number
  version: number
  pending: Pending | undefined
}
type Pending = { to: number; attempt: string; parts: number; at: string; customerCount: number }

type Needs = { table: Table }
const PART_BYTES = 350 * 1024
const PUTS_IN_FLIGHT = 16
/** No question takes longer. */
const READ_MS = 10 * MINUTE

/** The current generation's head, and any other's; `undefined` for a tenant without views. */
export async function readHead({ table }: Needs, tenant: TenantId, generation?: number): Promise<Head | undefined> {
  const items = await table.query(keys.views(tenant))
  const wanted = generation ?? Number(items.find(({ sk }) => sk === "current")?.generation ?? 0)
  const item = items.find(({ sk }) => sk === keys.viewHead(tenant, wanted).sk)
  return item && toHead(item, wanted)
}

const toHead = (item: Item, generation: number): Head => ({
  generation,
  position: Number(item.position),
  at: item.at === undefined ? undefined : String(item.at),
  zone: String(item.zone),
  currency: String(item.currency),
  customerCount: Number(item.customerCount),
  version: Number(item.version),
  pending:
    item.pendingTo === undefined
      ? undefined
      : {
          to: Number(item.pendingTo),
          attempt: String(item.pendingAttempt),
          parts: Number(item.pendingParts),
          at: String(item.pendingAt),
          customerCount: Number(item.pendingCustomers),
        },
})

/** The head of views that nothing has been folded into. */
export const firstHead = (
  tenant: TenantId,
  generation: number,
  { zone, currency }: { zone: string; currency: string },
) => ({ ...keys.viewHead(tenant, generation), position: 0, zone, currency, customerCount: 0, version: 0 })

/** Makes a generation the one that is read, if none other than `before` is current. */
export const theSwitch = (tenant: TenantId, before: number, generation: number, switchedAt: number) => ({
  put: { ...keys.currentViews(tenant), generation, switchedAt },
  condition: before === 0 ? ("absent" as const) : ({ attribute: "generation", is: "=", value: before } as const),
})

/** Generations before the current one, once nobody can be reading them any more. */
export async function unreadGenerations({ table }: Needs, tenant: TenantId, now: number): Promise<number[]> {
  const items = await table.query(keys.views(tenant))
  const current = items.find(({ sk }) => sk === keys.currentViews(tenant).sk)
  if (!current || now - Number(current.switchedAt) < READ_MS) return []
  const generations = items.flatMap(({ sk }) => (sk.startsWith("head#") ? [Number(sk.slice("head#".length))] : []))
  return generations.filter((generation) => generation < Number(current.generation))
}

/** What a fold changed: all of it, or nothing. `false` when another fold was faster: then nothing happened. */
export async function commit(
  { table, clock, nonce }: Needs & { clock: Clock; nonce: () => string },
  tenant: TenantId,
  head: Head,
  change: { to: number; at: string; customerCount: number; items: readonly ViewItem[] },
): Promise<Head | undefined> {
  const attempt = nonce()
  const pieces = cut(packText(change.items.map(lineOf).join("\n")))
  const ttl = Math.ceil((clock() + DAY) / SECOND)
  await inFlight([...pieces.entries()], PUTS_IN_FLIGHT, ([part, body]) =>
    table.put({ ...redoKey(tenant, head.generation, change.to, attempt, part), body, ttl }),
  )
  const { to, at, customerCount } = change
  const pending = { to, attempt, parts: pieces.length, at, customerCount }
  const won = await table.set(
    keys.viewHead(tenant, head.generation),
    {
      pendingTo: to,
      pendingAttempt: attempt,
      pendingParts: pieces.length,
      pendingAt: at,
      pendingCustomers: customerCount,
      version: head.version + 1,
    },
    { attribute: "version", is: "=", value: head.version },
  )
  if (won) return { ...head, version: head.version + 1, pending }
  const now = await readHead({ table }, tenant, head.generation)
  if (now?.pending?.attempt === attempt) return now
  await forget({ table }, tenant, head.generation, pending)
  return undefined
}

/** The items of a commit that has not been put in place yet. */
export async function readRedo({ table }: Needs, tenant: TenantId, head: Head): Promise<ViewItem[] | undefined> {
  if (!head.pending) return []
  const { to, attempt, parts } = head.pending
  const found = await table.getMany(
    Array.from({ length: parts }, (_, part) => redoKey(tenant, head.generation, to, attempt, part)),
  )
  if (found.length < parts) return undefined
  const bytes = Buffer.concat(found.sort((a, b) => (a.sk < b.sk ? -1 : 1)).map(({ body }) => body as Uint8Array))
  const text = unpackText(bytes)
  return text === "" ? [] : text.split("\n").map(itemIn)
}

/** No key has a tab, and no JSON a line break. */
const lineOf = ({ pk, sk, value }: ViewItem) => `${pk}\t${sk}\t${JSON.stringify(value)}`

/** Values are megabytes, and readers in the middle of a commit want a few of them: each is parsed when it is looked at. */
function itemIn(line: string): ViewItem {
  const sk = line.indexOf("\t") + 1
  const value = line.indexOf("\t", sk) + 1
  return {
    pk: line.slice(0, sk - 1),
    sk: line.slice(sk, value - 1),
    get value(): unknown {
      return JSON.parse(line.slice(value))
    },
  }
}

/**
 * Puts a commit's items in their places, each only over an older one, so that a straggler cannot undo a later fold and
 * a second run changes nothing.
 */
export async function settle(needs: Needs, tenant: TenantId, head: Head, items?: readonly ViewItem[]): Promise<void> {
  if (!head.pending) return
  const { table } = needs
  const { to, at, customerCount } = head.pending
  const redo = items ?? (await readRedo(needs, tenant, head))
  if (redo) {
    await inFlight(
      redo.flatMap((item) => placed(item, to)),
      PUTS_IN_FLIGHT,
      (item) => table.put(item, { attribute: "position", is: "<", value: to, orAbsent: true }),
    )
    await table.set(
      keys.viewHead(tenant, head.generation),
      {
        position: to,
        at,
        customerCount,
        version: head.version + 1,
        pendingTo: null,
        pendingAttempt: null,
        pendingParts: null,
        pendingAt: null,
        pendingCustomers: null,
      },
      { attribute: "version", is: "=", value: head.version },
    )
    await forget(needs, tenant, head.generation, head.pending)
  }
}

async function forget(
  { table }: Needs,
  tenant: TenantId,
  generation: number,
  { to, attempt, parts }: Omit<Pending, "at" | "customerCount">,
) {
  await table.deleteMany(Array.from({ length: parts }, (_, part) => redoKey(tenant, generation, to, attempt, part)))
}

const redoKey = (tenant: TenantId, generation: number, to: number, attempt: string, part: number): Key => ({
  pk: keys.redo(tenant, generation),
  sk: `${padded(to)}#${attempt}#${padded(part)}`,
})

/** A value as the items that hold it: one, or more when it is larger than an item may be. */
function placed({ pk, sk, value }: ViewItem, position: number): Item[] {
  const pieces = cut(pack(value))
  return pieces.map((body, part) => ({ pk, sk: partKey(sk, part), position, parts: pieces.length, body }))
}

/** No identifier may hold a control character, so no key of ours is another's part; it sorts right behind the first. */
const PART = "\u0001"
const partKey = (sk: string, part: number) => (part === 0 ? sk : `${sk}${PART}${padded(part)}`)

function cut(bytes: Buffer): Buffer[] {
  return Array.from({ length: Math.max(1, Math.ceil(bytes.length / PART_BYTES)) }, (_, i) =>
    bytes.subarray(i * PART_BYTES, (i + 1) * PART_BYTES),
  )
}

/** A value with the position up to which it is true. */
export type Viewed = { sk: string; position: number; value: unknown }

/** Items whose keys lie in [from, to] whole: parts are joined. */
export async function readValues(
  { table }: Needs,
  pk: string,
  range: { from?: string; to?: string } = {},
): Promise<Viewed[]> {
  const items = await table.query(pk, {
    ...range,
    ...(range.to === undefined ? {} : { to: `${range.to}${PART}\uffff` }),
  })
  const values: Viewed[] = []
  for (let i = 0; i < items.length; i++) {
    const first = items[i]!
    if (first.sk.includes(PART)) continue
    const parts = items.slice(i, i + Number(first.parts))
    values.push(joinParts(first, parts))
  }
  return values
}

/** So many values are unpacked in a millisecond or two. */
const VALUES_A_BREATH = 16

/** Values by key, those that exist. */
export async function getValues({ table }: Needs, wanted: readonly Key[]): Promise<(Viewed & Key)[]> {
  const found: (Viewed & Key)[] = []
  for (const firsts of slices(await table.getMany(wanted), VALUES_A_BREATH)) {
    if (found.length > 0) await breath()
    found.push(...(await wholeValues(table, firsts)))
  }
  return found
}

function wholeValues(table: Table, firsts: readonly Item[]): Promise<(Viewed & Key)[]> {
  return inFlight(firsts, PUTS_IN_FLIGHT, async (first) => {
    const more = Array.from({ length: Number(first.parts) - 1 }, (_, i) => ({
      pk: first.pk,
      sk: partKey(first.sk, i + 1),
    }))
    const rest = more.length === 0 ? [] : (await table.getMany(more)).sort((a, b) => (a.sk < b.sk ? -1 : 1))
    return { pk: first.pk, ...joinParts(first, [first, ...rest]) }
  })
}

function joinParts(first: Item, parts: Item[]): Viewed {
  const position = Math.max(...parts.map((part) => Number(part.position)))
  const whole = parts.length === Number(first.parts) && parts.every((part) => part.position === first.position)
  // Parts of two folds: a newer one is being put in place. Its position tells the reader to look again.
  const value = whole ? unpack(Buffer.concat(parts.map(({ body }) => body as Uint8Array))) : undefined
  return { sk: first.sk, position: whole ? position : Number.POSITIVE_INFINITY, value }
}
