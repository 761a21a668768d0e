import { type Day, rhythm } from "./calendar.ts"
import { chance, exponential, logNormal, lottery, type Next, pick, poisson } from "./distributions.ts"
import { type Habit, habit, idOf, type Person, person } from "./people.ts"
import { adoption, during, stories } from "./stories.ts"
import { subscriptions } from "./subscriptions.ts"
import { openTicket, rate } from "./support.ts"
import { type Visit, visit } from "./visit.ts"
import { assistantWords, prompts, remark } from "./words.ts"
import { amount, type Business, type World } from "./world.ts"

type User = Habit & { person: Person; likesVoice: number }

/** `micros`: price of a token, in millionths of a euro. */
const models = {
  "iris-mini": { medianMs: 850, sigma: 0.35, tokens: 280, micros: 0.4 },
  "iris-large": { medianMs: 2600, sigma: 0.45, tokens: 520, micros: 2.5 },
  "iris-reason": { medianMs: 7200, sigma: 0.5, tokens: 1150, micros: 7 },
}
const plans = { plus: 1800, team: 4200 }
const free = lottery({ "iris-mini": 7, "iris-large": 3, "iris-reason": 0.5 })
const paid = lottery({ "iris-mini": 2, "iris-large": 5, "iris-reason": 3 })
const countryOf = lottery({ GR: 55, CY: 8, DE: 14, IT: 12, FR: 11 })
const channelOf = lottery({ organic: 6, friends: 4, search: 4, press: 1 })
const featureOf = lottery({ export: 4, "web search": 6, image: 3, memory: 2 })
const weekdays = [0.5, 1.1, 1.15, 1.15, 1.1, 1, 0.55]
const moment = rhythm([3, 2, 1, 0.5, 0.5, 0.8, 2, 5, 10, 15, 17, 17, 15, 13, 14, 15, 14, 13, 12, 11, 10, 9, 7, 5])

/** An assistant that people talk to: sessions of questions and answers, by three models, free and paid. */
export const assistant: Business = {
  timeZone: "Europe/Athens",
  currency: "EUR",
  open(world) {
    const { next, scale } = world
    const paying = subscriptions(world, plans)
    const active = new Set<Person>()
    let users: User[] = []

    return (day) => {
      paying.live(day, moment, (person) => !active.has(person))
      const weekday = weekdays[day.weekday]!
      const opening = 1 + 4 * Math.exp(-day.index / 4)
      const joined = Array.from({ length: poisson(next, 8 * scale * opening * weekday) }, () => newcomer(next))
      for (const user of joined) {
        active.add(user.person)
        if (chance(next, join(world, user, day))) paying.plan(user.person, day)
      }

      users = users.filter((user) => {
        const times = Array.from({ length: poisson(next, user.rate * weekday) }, () => moment(next, day)).sort(
          (a, b) => a - b,
        )
        const stays = times.every((at) => {
          converse(world, visit(world, user.person, at).signIn(), user, day)
          return !chance(next, user.dropout)
        })
        return stays || !active.delete(user.person)
      })
      users.push(...joined)
    }
  },
}

const newcomer = (next: Next): User => ({
  person: person(next, { country: countryOf(next), channel: channelOf(next), plan: "free", mobile: 0.3 }),
  likesVoice: next(),
  ...habit(next, 0.7, 0.16, 0.8, 4),
})

const SUBSCRIBES = { none: 0.12, control: 0.12, guided: 0.22 }

/** A new user's first visit: how likely they are to subscribe, which the experiment moves. */
function join(world: World, user: User, day: Day): number {
  const { next } = world
  const visiting = visit(world, user.person, moment(next, day)).page("/", "Iris").page("/start", "Start")
  visiting.signIn({ created_at: day.date }).track("Signed Up", { channel: user.person.channel, plan: "free" })
  const variant = !during(stories.experiment, day.index) ? "none" : chance(next, 0.5) ? "guided" : "control"
  if (variant !== "none") visiting.track("Experiment Exposed", { experiment_id: "guided-start", variant })
  converse(world, visiting, user, day)
  return SUBSCRIBES[variant]
}

/** A session: questions and answers until the user has had enough, which slow answers hasten. */
function converse(world: World, visiting: Visit, user: User, day: Day) {
  const { next } = world
  const model = (user.person.plan === "free" ? free : paid)(next)
  const slow = model === "iris-large" && during(stories.slowModel, day.index)
  const session_id = idOf(next, "chat")
  visiting.track("Session Started", { session_id, model })
  for (let turns = 1 + Math.floor(exponential(next, slow ? 1.2 : 2.6)); turns > 0; turns--) {
    const text = chance(next, 0.25) ? { text: pick(next, prompts) } : {}
    visiting.track("Message Sent", { session_id, model, ...text })
    answer(next, visiting, { session_id, model }, slow ? 6 : 1)
    visiting.wait(35)
  }
  if (chance(next, 0.25)) visiting.track("Feature Used", { feature: featureOf(next), session_id })
  if (user.likesVoice < 0.45 * adoption(stories.featureLaunch, day.index) && chance(next, 0.6)) {
    visiting.track("Feature Used", { feature: "voice", session_id })
  }
  if (chance(next, slow ? 0.08 : 0.012)) {
    openTicket(
      world,
      user.person,
      visiting.now(),
      assistantWords,
      slow ? remark(next, assistantWords, "bad") : undefined,
    )
  }
  if (chance(next, 0.05)) rate(world, user.person, visiting.now(), assistantWords, slow ? [1, 2, 7] : [7, 2, 1])
}

const TIMEOUT_MS = 30_000

function answer(
  next: Next,
  visiting: Visit,
  about: { session_id: string; model: keyof typeof models },
  slowness: number,
) {
  const { medianMs, sigma, tokens: medianTokens, micros } = models[about.model]
  const response_time_ms = Math.ceil(logNormal(next, medianMs * slowness, sigma))
  if (response_time_ms > TIMEOUT_MS || chance(next, 0.006)) {
    const late = response_time_ms > TIMEOUT_MS
    const error = late
      ? { code: "timeout", message: "The model took too long." }
      : { code: "model_error", message: "The model failed." }
    return visiting.track("Error Occurred", { ...about, ...error })
  }
  const tokens = Math.max(1, Math.round(logNormal(next, medianTokens, 0.6)))
  const cost = amount(Math.round(tokens * micros), 6)
  return visiting.wait(response_time_ms / 1000).track("Response Received", { ...about, tokens, response_time_ms, cost })
}
