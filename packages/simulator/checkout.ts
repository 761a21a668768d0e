import { DAY, HOUR } from "#core/clock.ts"
import type { Day } from "./calendar.ts"
import { between, chance, exponential } from "./distributions.ts"
import { type Basket, line, price } from "./goods.ts"
import { idOf, type Person } from "./people.ts"
import { during, stories } from "./stories.ts"
import { openTicket, rate } from "./support.ts"
import { fromServer, type Visit } from "./visit.ts"
import { shopWords } from "./words.ts"
import { amount, type World } from "./world.ts"

const orderLines = (lines: Basket) => lines.map(({ product, quantity }) => line(product, quantity))

export function startCheckout(visiting: Visit, lines: Basket) {
  visiting.page("/checkout", "Checkout")
  visiting.track("Checkout Started", { revenue: amount(price(lines).revenue), products: orderLines(lines) })
}

export function checkOut(world: World, visiting: Visit, person: Person, lines: Basket, day: Day): "bought" | "failed" {
  const { next } = world
  startCheckout(visiting, lines)
  if (during(stories.brokenCheckout, day.index) && visiting.device.type === "mobile" && chance(next, 0.95)) {
    visiting.wait(30).track("Error Occurred", { code: "payment_timeout", message: "The payment did not answer." })
    const complains = chance(next, 0.15)
    if (complains) openTicket(world, person, visiting.now() + HOUR, shopWords, "I cannot pay on my phone, terrible.")
    return "failed"
  }
  const { revenue, shipping } = price(lines)
  const order_id = idOf(next, "order")
  const sums = { revenue: amount(revenue), shipping: amount(shipping), total: amount(revenue + shipping) }
  // An older till sends lines only, so that the rule "else the sum of its lines" has something to do.
  const order = { order_id, ...(chance(next, 0.05) ? {} : sums), currency: "GBP", products: orderLines(lines) }
  const { channel, country } = person
  visiting.wait(40).track("Order Completed", { ...order, channel, country })
  visiting.page("/thanks", "Thank you")
  afterwards(world, person, visiting.now(), order_id, lines)
  return "bought"
}

/** What an order may bring later: money back, a ticket, a rating. */
function afterwards(world: World, person: Person, at: number, order_id: string, lines: Basket) {
  const { next } = world
  const soon = at + DAY + Math.ceil(exponential(next, 4 * DAY))
  const delivered = at + 2 * DAY + between(next, 0, HOUR)
  if (chance(next, 0.04)) {
    const back = chance(next, 0.5) ? lines : lines.slice(0, 1)
    const revenue = amount(price(back).revenue)
    const refund = { order_id, revenue, currency: "GBP", products: orderLines(back) }
    fromServer(world, person, soon, "Order Refunded", refund)
  }
  if (chance(next, 0.06)) openTicket(world, person, soon, shopWords)
  if (chance(next, 0.1)) rate(world, person, delivered, shopWords)
}
