import { SECOND } from "#core/clock.ts"
import { chance, logNormal, pick } from "./distributions.ts"
import { address, type Person } from "./people.ts"
import type { World } from "./world.ts"

export type Campaign = { source: string; medium: string; name: string }

/** One person on one device, from `at` on: each call tells a message and lets some time pass. */
export function visit({ next, tell }: World, person: Person, at: number, campaign?: Campaign) {
  const device = pick(next, person.devices)
  let known = device.joined && chance(next, 0.85)
  let now = at
  let path = "/"
  const fixed = {
    ip: device.type === "mobile" && chance(next, 0.5) ? address(next) : device.ip,
    userAgent: device.userAgent,
    device: { type: device.type },
    location: { country: person.country },
    ...(campaign && { campaign }),
  }
  const say = (type: "page" | "track" | "identify", rest: object) => {
    const ids = known ? { userId: person.userId, anonymousId: device.anonymousId } : { anonymousId: device.anonymousId }
    tell(now, { type, ...ids, ...rest, context: { ...fixed, page: { path } } })
  }
  const visiting = {
    device,
    now: () => now,
    /** Lets time pass: log-normal around so many seconds. */
    wait(seconds: number) {
      now += Math.ceil(logNormal(next, seconds, 0.7) * SECOND)
      return visiting
    },
    page(to: string, title: string) {
      path = to
      say("page", { name: title })
      return visiting.wait(22)
    },
    track(event: string, properties: object) {
      say("track", { event, properties })
      return visiting.wait(6)
    },
    /** Joins the device to its owner, if that is not plain already. */
    signIn(traits: object = {}) {
      if (known) return visiting
      known = device.joined = true
      const { email, name, country, plan, channel } = person
      say("identify", { traits: { email, name, country, plan, channel, ...traits } })
      return visiting.wait(3)
    },
  }
  return visiting
}

export type Visit = ReturnType<typeof visit>

/** What the business's own server tells about a user. */
export const fromServer = ({ tell }: World, person: Person, at: number, event: string, properties: object) =>
  tell(at, {
    type: "track",
    userId: person.userId,
    event,
    properties: { ...properties },
    context: { library: { name: "server", version: "1.4.2" }, location: { country: person.country } },
  })
