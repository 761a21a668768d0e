import { DAY, instant, SECOND } from "#core/clock.ts"
import { seededNumbers } from "#core/random.ts"
import type { Message } from "#events/message.ts"
import { between, chance, lottery, type Next, pick } from "#simulator/distributions.ts"
import { address, uuid } from "#simulator/people.ts"

/**
 * Tracked events with the entropy of real ones (about 440 bytes of JSON each): fresh UUIDs, people with their own user
 * agents and addresses, Zipf-distributed customers and products. A repetitive payload would compress eleven times.
 */
export type Corpus = {
  seed: number
  events: number
  customers: number
  from: string
  days: number
  /** One event of so many belongs to the customers in turn, so that all of them are active; 20 if absent. */
  inTurn?: number
}

type Person = {
  userId: string
  anonymousId: string
  known: boolean
  context: { ip: string; userAgent: string; location: { country: string } }
}

/** The same people and goods whatever the seed: runs after each other meet customers that are known. */
const POPULATION = 440
const PRODUCTS = 300
const KNOWN = 0.8
const REFERRED = 0.3

const countryOf = lottery({
  US: 30,
  GB: 14,
  DE: 11,
  FR: 8,
  NL: 6,
  ES: 5,
  IT: 5,
  SE: 4,
  PL: 4,
  GR: 3,
  CA: 3,
  AU: 3,
  JP: 2,
  BR: 2,
})
const kindOf = lottery({ page: 52, viewed: 24, added: 8, opened: 8, ordered: 5, identified: 3 })
const categories = ["coffee", "tea", "cups", "kettles", "filters", "grinders"]
const referrers = [
  "https://www.google.com/",
  "https://www.instagram.com/",
  "https://news.ycombinator.com/",
  "android-app://com.google.android.gm/",
]

/** The same corpus gives the same messages, byte for byte, in time order. */
export function* corpus({ seed, events, customers, from, days, inTurn = 20 }: Corpus): Generator<Message> {
  const born = seededNumbers(POPULATION)
  const catalogue = Array.from({ length: PRODUCTS }, (_, i) => product(born, i))
  const people = Array.from({ length: customers }, () => person(born))
  const next = seededNumbers(seed)
  const customerOf = zipf(customers)
  const productOf = zipf(PRODUCTS)
  const start = Date.parse(from)
  const step = (days * DAY) / events
  for (let i = 0; i < events; i++) {
    const one = people[i % inTurn === 0 ? (i / inTurn) % customers : customerOf(next)]!
    const at = Math.floor(start + (i + next()) * step)
    yield message(next, one, at, () => catalogue[productOf(next)]!)
  }
}

/** Bodies of `/v1/batch`, as bytes; no two share a message. */
export function bodiesOf(messages: Iterable<Message>, eventsARequest: number): Buffer[] {
  const bodies: Buffer[] = []
  for (const batch of inBatches(messages, eventsARequest)) bodies.push(Buffer.from(JSON.stringify({ batch })))
  return bodies
}

export function* inBatches<T>(all: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = []
  for (const one of all) {
    batch.push(one)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

type Product = ReturnType<typeof product>

function message(
  next: Next,
  { userId, anonymousId, known, context: fixed }: Person,
  at: number,
  choose: () => Product,
): Message {
  const ids = known ? { userId, anonymousId } : { anonymousId }
  const base = { messageId: uuid(next), timestamp: instant(at), ...ids }
  const kind = kindOf(next)
  const chosen = choose()
  const path = kind === "page" && chance(next, 0.4) ? "/" : `/products/${chosen.product_id}`
  const context = { ...fixed, page: { path } }
  const track = (event: string, properties: Message["properties"]): Message => ({
    type: "track",
    ...base,
    event,
    properties,
    context,
  })
  switch (kind) {
    case "page":
      return {
        type: "page",
        ...base,
        name: path === "/" ? "Home" : chosen.name,
        context: { ...fixed, page: { path, ...(chance(next, REFERRED) ? { referrer: pick(next, referrers) } : {}) } },
      }
    case "viewed":
      return track("Product Viewed", sold(chosen))
    case "added":
      return track("Product Added", { ...sold(chosen), quantity: between(next, 1, 3) })
    case "opened":
      return track("Newsletter Opened", {
        campaign_id: `c-${between(next, 1, 40)}`,
        seconds: between(next, 1, 90),
        link: `${between(next, 0, 0xffffff).toString(16)}`,
      })
    case "ordered": {
      const products = Array.from({ length: between(next, 1, 2) }, () => ({
        ...sold(choose()),
        quantity: between(next, 1, 3),
      }))
      return track("Order Completed", { order_id: `o-${between(next, 0, 0xffffffff).toString(16)}`, products })
    }
    case "identified":
      return {
        type: "identify",
        ...base,
        ...(known ? {} : { userId }),
        traits: { email: `${userId}@example.com`, plan: pick(next, ["free", "plus"]) },
        context,
      }
  }
}

const person = (next: Next): Person => ({
  userId: `u_${uuid(next).slice(0, 13)}`,
  anonymousId: uuid(next),
  known: chance(next, KNOWN),
  context: { ip: address(next), userAgent: agent(next), location: { country: countryOf(next) } },
})

const product = (next: Next, index: number) => ({
  product_id: `sku-${1000 + index}`,
  name: `${pick(next, ["Dark", "Light", "Morning", "Evening", "House"])} ${pick(next, ["Roast", "Blend", "Leaf", "Cup", "Kit"])} ${index}`,
  category: pick(next, categories),
  price: `${between(next, 3, 89)}.${between(next, 10, 99)}`,
})

const sold = ({ product_id, category, price }: Product) => ({ product_id, category, price })

const agent = (next: Next) =>
  chance(next, 0.5)
    ? `Mozilla/5.0 (iPhone; CPU iPhone OS ${between(next, 15, 18)}_${between(next, 0, 6)} like Mac OS X) AppleWebKit/605 Version/${between(next, 15, 18)}.${between(next, 0, 6)} Safari/604.1`
    : `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/${between(next, 120, 146)}.0.${between(next, 1000, 7000)}.${between(next, 10, 200)} Safari/537.36`

/** Draws a place among `count` with probability 1 / (place + 1) of the first one's. */
function zipf(count: number): (next: Next) => number {
  const sums = new Float64Array(count)
  let total = 0
  for (let i = 0; i < count; i++) sums[i] = total += 1 / (i + 1)
  return (next) => {
    const drawn = next() * total
    let [low, high] = [0, count - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle]! > drawn) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** When the events of runs that go through the front door happened: lately, for the door refuses the far future. */
export const lately = (days: number) => instant(Date.now() - days * DAY - 60 * SECOND)
