import { addDays, zoneOf } from "#core/zone.ts"
import { businesses, type Simulation } from "./simulate.ts"
import type { BusinessName } from "./world.ts"

const DEMO_DAYS = 120

export type DemoTenant = {
  id: string
  name: string
  timeZone: string
  currency: string
  business: BusinessName
  seed: number
  scale: number
}

const tenant = (id: string, name: string, business: BusinessName, seed: number): DemoTenant => {
  const { timeZone, currency } = businesses[business]
  return { id, name, timeZone, currency, business, seed, scale: 1 }
}

export const demoTenants: readonly DemoTenant[] = [
  tenant("acme", "Acme Coffee", "shop", 2601),
  tenant("academy", "Harbour Academy", "academy", 2602),
  tenant("iris", "Iris", "assistant", 2603),
]

/** What to simulate for a tenant so that the last day is yesterday, by its own calendar. `now` in milliseconds since 1970. */
export function demo({ timeZone, business, seed, scale }: DemoTenant, now: number): Required<Simulation> {
  const from = addDays(zoneOf(timeZone).place(now).day, -DEMO_DAYS)
  return { seed, business, from, days: DEMO_DAYS, scale }
}
