import { DAY, instant } from "#core/clock.ts"
import { type Day, rhythm } from "./calendar.ts"
import { checkOut, startCheckout } from "./checkout.ts"
import { between, chance, lottery, type Next, poisson } from "./distributions.ts"
import { type Basket, basket, type Category, categoryOf, choose, line, type Product } from "./goods.ts"
import { type Habit, habit, type Person, person } from "./people.ts"
import { stories, swell } from "./stories.ts"
import { type Campaign, type Visit, visit } from "./visit.ts"
import { remark, shopWords } from "./words.ts"
import type { Business, World } from "./world.ts"

type Stranger = { person: Person; favourite: Category }
type Prospect = Stranger & { fresh: boolean }
type Customer = Stranger & Habit & { since: string }

const countryOf = lottery({ GB: 72, IE: 9, FR: 6, DE: 6, NL: 4, US: 3 })
const channelOf = lottery({ organic: 30, direct: 14, google: 22, influencer: 18, affiliate: 9, newsletter: 7 })
const campaigns: Record<string, Campaign> = {
  google: { source: "google", medium: "cpc", name: "brand" },
  influencer: { source: "influencer", medium: "social", name: "morning-cup" },
  affiliate: { source: "affiliate", medium: "referral", name: "brew-guide" },
  newsletter: { source: "newsletter", medium: "email", name: "weekly" },
}
/** Sunday first. */
const weekdays = [1.25, 0.86, 0.88, 0.92, 0.97, 1.05, 1.3]
const moment = rhythm([2, 1, 0.6, 0.4, 0.4, 1, 3, 7, 10, 11, 12, 12, 13, 12, 11, 10, 11, 13, 16, 19, 20, 17, 11, 5])

/** A shop for coffee and tea: strangers look, some become customers, customers buy at their own rates until they stop. */
export const shop: Business = {
  timeZone: "Europe/London",
  currency: "GBP",
  open(world) {
    const { next, scale } = world
    let customers: Customer[] = []
    let prospects: Prospect[] = []

    return (day) => {
      const season = weekdays[day.weekday]! * (1 + 1.1 * swell(stories.peak, day.index))
      if (day.index === 0) customers = regulars(next, Math.round(260 * scale), day)
      if (day.index === stories.churnWave.from) customers = customers.filter((it) => staysOnAfterTheWave(next, it))

      const newcomers = poisson(next, 22 * scale * season)
      const fresh = Array.from({ length: newcomers }, () => ({ ...stranger(next), fresh: true }))
      const joiners: Customer[] = []
      prospects = [...prospects, ...fresh].filter((prospect) => {
        if (!prospect.fresh && !chance(next, 0.07)) return chance(next, 0.9)
        const outcome = look(world, prospect, day)
        prospect.fresh = false
        if (outcome === "joined") joiners.push(customer(next, prospect, day.date))
        return outcome === "left"
      })

      customers = customers.filter((it) => {
        const purchases = Array.from({ length: poisson(next, it.rate * season) }, () => true)
        const glances = Array.from({ length: poisson(next, (0.01 + it.rate) * season) }, () => false)
        const coming = [...purchases, ...glances].map((buys) => ({ buys, at: moment(next, day) }))
        return coming
          .sort((a, b) => a.at - b.at)
          .every(({ buys, at }) => {
            const visiting = arrive(world, it, at, chance(next, 0.3) ? campaigns.newsletter : undefined)
            if (!buys) return browse(world, visiting, it, day)
            visiting.signIn({ created_at: it.since })
            return buy(world, visiting, it, day) === "failed" || !chance(next, it.dropout)
          })
      })
      customers.push(...joiners)
    }
  },
}

/** Who had signed up before the first day: their first visit says who they are. */
const regulars = (next: Next, count: number, { start }: Day) =>
  Array.from({ length: count }, () =>
    customer(next, stranger(next), instant(start - between(next, 9, 700) * DAY).slice(0, 10)),
  )

const staysOnAfterTheWave = (next: Next, { person }: Customer) => person.channel !== "influencer" || chance(next, 0.05)

const stranger = (next: Next): Stranger => ({
  person: person(next, {
    country: countryOf(next),
    channel: channelOf(next),
    plan: chance(next, 0.12) ? "plus" : "member",
    mobile: 0.58,
  }),
  favourite: categoryOf(next),
})

const customer = (next: Next, { person, favourite }: Stranger, since: string): Customer => ({
  person,
  favourite,
  since,
  ...habit(next, 0.9, 0.045, 0.9, 8),
})

function arrive(world: World, { person }: Pick<Customer, "person">, at: number, campaign?: Campaign) {
  return visit(world, person, at, campaign).page("/", "Acme Coffee")
}

function view(visiting: Visit, product: Product) {
  visiting.page(`/products/${product.product_id}`, product.name)
  const { quantity: _, ...viewed } = line(product, 1)
  visiting.track("Product Viewed", viewed)
}

/** A stranger looks round, and perhaps joins and perhaps buys at once. */
function look(world: World, { person, favourite, fresh }: Prospect, day: Day): "joined" | "left" {
  const { next } = world
  const visiting = arrive(world, { person }, moment(next, day), fresh ? campaigns[person.channel] : undefined)
  browse(world, visiting, { favourite }, day)
  if (!chance(next, 0.16)) return "left"
  const buys = chance(next, 0.6)
  const lines = buys ? fill(world, visiting, favourite, day) : []
  visiting.signIn({ created_at: day.date })
  visiting.track("Signed Up", { channel: person.channel, plan: person.plan })
  if (buys) checkOut(world, visiting, person, lines, day)
  return "joined"
}

/** Some pages; sometimes a cart or a checkout that comes to nothing, sometimes a form. Nobody is lost by it. */
function browse(world: World, visiting: Visit, { favourite }: { favourite: Category }, day: Day): true {
  const { next } = world
  const seen = Array.from({ length: poisson(next, 1.2) }, () => choose(next, favourite, day.index))
  for (const product of seen) view(visiting, product)
  if (seen[0] && chance(next, 0.25)) {
    visiting.track("Product Added", line(seen[0], 1))
    if (chance(next, 0.35)) startCheckout(visiting, [{ product: seen[0], quantity: 1 }])
  }
  if (chance(next, 0.015)) {
    const mood = chance(next, 0.5) ? "plain" : "good"
    visiting
      .page("/contact", "Contact")
      .track("Form Submitted", { form_id: "contact", text: remark(next, shopWords, mood) })
  }
  return true
}

function fill({ next }: World, visiting: Visit, favourite: Category, day: Day): Basket {
  const lines = basket(next, favourite, day.index)
  for (const { product, quantity } of lines) {
    if (chance(next, 0.6)) view(visiting, product)
    visiting.track("Product Added", line(product, quantity))
  }
  return lines
}

const buy = (world: World, visiting: Visit, { person, favourite }: Customer, day: Day) =>
  checkOut(world, visiting, person, fill(world, visiting, favourite, day), day)
