import { type Day, isLastOfMonth } from "./calendar.ts"
import { between, chance, lottery, type Next, pick } from "./distributions.ts"
import { idOf, type Person } from "./people.ts"
import { fromServer } from "./visit.ts"
import { amount, type World } from "./world.ts"

type Subscription = {
  id: string
  person: Person
  plan: string
  yearly: boolean
  /** Day of the month on which it is billed. */
  anchor: number
}

const reasonOf = lottery({ "too expensive": 4, "not used enough": 5, "missing features": 2, "moved to another": 2 })
const YEARLY_MONTHS = 10

/** Who pays for what: starts, invoices every month, moves between plans, ends. `plans` are monthly prices in cents, cheapest first. */
export function subscriptions(world: World, plans: Record<string, number>) {
  const { next } = world
  const planOf = lottery(Object.fromEntries(Object.keys(plans).map((plan, i) => [plan, 5 / (i * i + 1)])))
  const priceOf = (plan: string) => plans[plan]!
  const book = new Map<Person, Subscription>()
  const planned = new Map<number, Person[]>()

  const terms = ({ id, plan, yearly }: Subscription) =>
    yearly
      ? { subscription_id: id, plan, amount: amount(priceOf(plan) * YEARLY_MONTHS), interval: "year" }
      : { subscription_id: id, plan, mrr: amount(priceOf(plan)) }
  const bill = (subscription: Subscription, at: number) =>
    fromServer(world, subscription.person, at, "Invoice Paid", {
      invoice_id: idOf(next, "invoice"),
      subscription_id: subscription.id,
      amount: amount(priceOf(subscription.plan) * (subscription.yearly ? YEARLY_MONTHS : 1)),
    })

  const start = (person: Person, at: number, day: Day) => {
    const anchor = Number(day.date.slice(8))
    const subscription = { id: idOf(next, "sub"), person, plan: planOf(next), yearly: chance(next, 0.1), anchor }
    book.set(person, subscription)
    person.plan = subscription.plan
    fromServer(world, person, at, "Subscription Started", terms(subscription))
    bill(subscription, at + between(next, 800, 9000))
  }

  return {
    /** This person will start to pay within ten days of today. */
    plan(person: Person, today: Day) {
      const index = today.index + between(next, 1, 10)
      planned.set(index, [...(planned.get(index) ?? []), person])
    },
    /** One day of bills, changes of mind and starts; whoever no longer comes (`isGone`) ends soon. */
    live(day: Day, moment: (next: Next, day: Day) => number, isGone: (person: Person) => boolean) {
      for (const subscription of book.values()) {
        const { person, yearly } = subscription
        if (!yearly && isDue(subscription.anchor, day.date)) bill(subscription, day.at(6 + next()))
        if (chance(next, isGone(person) ? 0.05 : 0.002)) {
          book.delete(person)
          person.plan = "free"
          const reason = chance(next, 0.8) ? { reason: reasonOf(next) } : {}
          fromServer(world, person, moment(next, day), "Subscription Cancelled", { ...terms(subscription), ...reason })
        } else if (!yearly && !isGone(person) && chance(next, 0.004)) {
          const others = Object.keys(plans).filter((plan) => plan !== subscription.plan)
          subscription.plan = pick(next, others)
          person.plan = subscription.plan
          fromServer(world, person, moment(next, day), "Subscription Changed", terms(subscription))
        }
      }
      for (const person of planned.get(day.index) ?? []) start(person, moment(next, day), day)
      planned.delete(day.index)
    },
  }
}

/** On the day of the month on which it began, or on the last of a shorter month. */
const isDue = (anchor: number, date: string) => {
  const dayOfMonth = Number(date.slice(8))
  return dayOfMonth === anchor || (anchor > dayOfMonth && isLastOfMonth(date))
}
