import { beta, between, chance, gamma, lottery, type Next, pick } from "./distributions.ts"

type Device = {
  type: "mobile" | "desktop" | "tablet"
  anonymousId: string
  userAgent: string
  ip: string
  /** An identify call has joined this device to its owner. */
  joined: boolean
}

export type Person = {
  userId: string
  name: string
  email: string
  country: string
  channel: string
  plan: string
  devices: Device[]
}

/** How often a person comes, a day, and with which probability a visit that counts is the last (Fader, Hardie and Lee, 2005). */
export type Habit = { rate: number; dropout: number }

export const habit = (next: Next, shape: number, mean: number, a: number, b: number): Habit => ({
  rate: gamma(next, shape, mean / shape),
  dropout: beta(next, a, b),
})

const HEX = "0123456789abcdef"
const hex = (next: Next, length: number) => {
  let text = ""
  while (text.length < length) text += HEX[Math.floor(next() * 16)]
  return text
}

/** An id of a kind, such as `order_5f3a…`. */
export const idOf = (next: Next, kind: string) => `${kind}_${hex(next, 12)}`

/** RFC 9562, version 4. */
export function uuid(next: Next) {
  const digits = hex(next, 32)
  const variant = HEX[8 + Math.floor(next() * 4)]
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-${variant}${digits.slice(17, 20)}-${digits.slice(20)}`
}

const firstNames =
  "Ada Amir Anna Ben Cara Chen Dara Elif Emil Ewan Fay Femi Gita Hana Hugo Ines Ivan Jade Jonas Kofi Lara Leo Lina Luca Maya Milo Nadia Nia Noah Olga Omar Petra Quinn Rosa Sami Tara Tomas Uma Vera Yara".split(
    " ",
  )
const lastNames =
  "Abbott Baker Bell Brandt Castro Chowdhury Clarke Costa Dimou Doyle Evans Fischer Foster Grant Haddad Hughes Ito Jensen Kaya Keller Lopez Marsh Meyer Moreau Nair Novak Okafor Papas Patel Quist Reid Rossi Silva Stone Tan Usman Vidal Walsh Young Zhou".split(
    " ",
  )

export function person(next: Next, is: { country: string; channel: string; plan: string; mobile: number }): Person {
  const [first, last] = [pick(next, firstNames), pick(next, lastNames)]
  const userId = idOf(next, "user")
  const devices = [device(next, is.mobile)]
  if (chance(next, 0.15)) devices.push(device(next, is.mobile))
  const email = `${first}.${last}.${userId.slice(-4)}@example.${pick(next, ["com", "org", "net"])}`.toLowerCase()
  return { userId, name: `${first} ${last}`, email, country: is.country, channel: is.channel, plan: is.plan, devices }
}

function device(next: Next, mobile: number): Device {
  const type = chance(next, mobile) ? "mobile" : chance(next, 0.12) ? "tablet" : "desktop"
  return { type, anonymousId: uuid(next), userAgent: agents[type](next), ip: address(next), joined: false }
}

/** From the range that RFC 2544 keeps for tests: nobody's. */
export const address = (next: Next) => `198.${between(next, 18, 19)}.${between(next, 0, 255)}.${between(next, 1, 254)}`

const chromeVersion = (next: Next) => `${between(next, 138, 146)}.0.0.0`
const safari = (next: Next) =>
  `AppleWebKit/605.1.15 (KHTML, like Gecko) Version/${pick(next, [17, 18, 26])}.${between(next, 0, 6)}`
const blink = "AppleWebKit/537.36 (KHTML, like Gecko)"
const android = lottery({ "SM-S921B": 4, "SM-A556B": 5, "Pixel 8": 3, "Pixel 9": 2, "2311DRK48G": 1 })

const agents = {
  mobile: (next: Next) =>
    chance(next, 0.52)
      ? `Mozilla/5.0 (iPhone; CPU iPhone OS ${between(next, 16, 18)}_${between(next, 0, 6)} like Mac OS X) ${safari(next)} Mobile/15E148 Safari/604.1`
      : `Mozilla/5.0 (Linux; Android ${between(next, 12, 16)}; ${android(next)}) ${blink} Chrome/${chromeVersion(next)} Mobile Safari/537.36`,
  tablet: (next: Next) =>
    `Mozilla/5.0 (iPad; CPU OS ${between(next, 16, 18)}_${between(next, 0, 6)} like Mac OS X) ${safari(next)} Safari/604.1`,
  desktop: (next: Next) => {
    const windows = `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${blink} Chrome/${chromeVersion(next)} Safari/537.36`
    const mac = `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${safari(next)} Safari/605.1.15`
    const version = between(next, 138, 146)
    const firefox = `Mozilla/5.0 (X11; Linux x86_64; rv:${version}.0) Gecko/20100101 Firefox/${version}.0`
    return pick(next, [windows, windows, windows, `${windows} Edg/${version}.0.0.0`, mac, mac, firefox])
  },
} satisfies Record<Device["type"], (next: Next) => string>
