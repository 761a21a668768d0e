import { DAY } from "#core/clock.ts"
import { type Day, rhythm } from "./calendar.ts"
import { between, chance, logNormal, lottery, type Next, pick, poisson } from "./distributions.ts"
import { type Habit, habit, type Person, person } from "./people.ts"
import { during, stories } from "./stories.ts"
import { subscriptions } from "./subscriptions.ts"
import { openTicket, rate } from "./support.ts"
import { fromServer, type Visit, visit } from "./visit.ts"
import { academyWords, remark } from "./words.ts"
import type { Business, World } from "./world.ts"

type Course = { id: string; lessons: number }
type Learner = Habit & {
  person: Person
  course?: Course
  taken: Course[]
  /** Lessons of the present course, and of all courses. */
  done: number
  total: number
  moderates: boolean
}

const courses: Course[] = [
  { id: "statistics-101", lessons: 14 },
  { id: "python-basics", lessons: 18 },
  { id: "sql-for-work", lessons: 10 },
  { id: "data-stories", lessons: 8 },
  { id: "machine-learning", lessons: 22 },
]
const plans = { basic: 1900, pro: 4900, mentor: 14_900 }
const countryOf = lottery({ US: 60, CA: 12, GB: 8, IN: 10, BR: 6, DE: 4 })
const channelOf = lottery({ organic: 8, video: 4, friends: 5, ads: 3 })
const featureOf = lottery({ forum: 6, quiz: 5, notes: 3, "live call": 2, certificate: 1 })
const weekdays = [1.25, 1.1, 1.05, 1.05, 0.95, 0.75, 0.85]
const moment = rhythm([3, 1.5, 0.8, 0.4, 0.4, 0.8, 3, 5, 6, 7, 7, 8, 9, 8, 7, 7, 8, 10, 14, 18, 20, 18, 12, 6])
const MODERATOR_LESSONS = 20

/** A community of courses: people join, learn lesson by lesson, pay or not, help each other, and tire. */
export const academy: Business = {
  timeZone: "America/New_York",
  currency: "USD",
  open(world) {
    const { next, scale } = world
    const paying = subscriptions(world, plans)
    const active = new Set<Person>()
    let learners: Learner[] = []

    return (day) => {
      paying.live(day, moment, (person) => !active.has(person))
      const weekday = weekdays[day.weekday]!
      const viral = during(stories.viralDay, day.index)
      const opening = 1 + 4 * Math.exp(-day.index / 4)
      const arrivals = poisson(next, 8 * scale * opening * (viral ? 18 : 1) * weekday)
      const joined = Array.from({ length: arrivals }, () => arrive(world, day, viral)).filter((it) => it !== undefined)
      for (const { person } of joined) {
        active.add(person)
        if (chance(next, viral ? 0.08 : 0.25)) paying.plan(person, day)
      }

      learners = learners.filter((it) => {
        const evenings = Array.from({ length: poisson(next, it.rate * weekday) }, () => moment(next, day))
        const stays = evenings.sort((a, b) => a - b).every((at) => study(world, it, at))
        return stays || !active.delete(it.person)
      })
      learners.push(...joined)
    }
  },
}

/** A stranger looks at the front page; about half become learners. */
function arrive(world: World, day: Day, viral: boolean): Learner | undefined {
  const { next } = world
  const channel = viral && chance(next, 0.94) ? "video" : channelOf(next)
  const stranger = person(next, { country: countryOf(next), channel, plan: "free", mobile: 0.45 })
  const campaign = channel === "video" ? { source: "video", medium: "social", name: "day-in-the-life" } : undefined
  const visiting = visit(world, stranger, moment(next, day), campaign).page("/", "Academy")
  for (let pages = poisson(next, 1); pages > 0; pages--) visiting.page(`/courses/${pick(next, courses).id}`, "Course")
  if (!chance(next, 0.5)) return undefined

  visiting.page("/join", "Join").signIn({ created_at: day.date })
  visiting.track("Signed Up", { channel, plan: "free" })
  if (chance(next, 0.45)) {
    const mood = chance(next, 0.6) ? "plain" : "good"
    visiting.wait(60).track("Form Submitted", { form_id: "welcome", text: remark(next, academyWords, mood) })
  }
  const habits = habit(next, 0.8, 0.28, 0.8, viral ? 3 : 7)
  const learner: Learner = { person: stranger, ...habits, taken: [], done: 0, total: 0, moderates: false }
  if (chance(next, 0.8)) enrol(next, learner, visiting)
  return learner
}

function enrol(next: Next, learner: Learner, visiting: Visit) {
  const untaken = courses.filter((course) => !learner.taken.includes(course))
  const course = pick(next, untaken.length > 0 ? untaken : courses)
  learner.course = course
  learner.taken.push(course)
  learner.done = 0
  visiting.page(`/courses/${course.id}`, "Course")
  visiting.track("Course Enrolled", { course_id: course.id, channel: learner.person.channel })
}

/** An evening's lessons; `false` if it was the last. */
function study(world: World, learner: Learner, at: number): boolean {
  const { next } = world
  const visiting = visit(world, learner.person, at).signIn()
  if (!learner.course) enrol(next, learner, visiting)
  for (let lessons = between(next, 1, 3); lessons > 0 && learner.course; lessons--) {
    completeLesson(world, learner, visiting)
  }
  if (chance(next, 0.5)) visiting.track("Feature Used", { feature: featureOf(next) })
  if (chance(next, 0.012)) openTicket(world, learner.person, visiting.now(), academyWords)
  const mayMigrate = learner.total >= MODERATOR_LESSONS && !learner.moderates
  if (mayMigrate && chance(next, 0.12)) migrate(world, learner, visiting.now())
  return !chance(next, learner.dropout)
}

function completeLesson(world: World, learner: Learner, visiting: Visit) {
  const { next } = world
  const { id, lessons } = learner.course!
  learner.done++
  learner.total++
  const lesson_id = `${id}/${learner.done}`
  visiting.page(`/learn/${lesson_id}`, `Lesson ${learner.done}`).wait(600)
  visiting.track("Lesson Completed", { course_id: id, lesson_id })
  if (learner.done < lessons) return
  learner.course = undefined
  if (!chance(next, 0.6)) return
  const mood = chance(next, 0.75) ? "good" : "bad"
  visiting.track("Form Submitted", { form_id: "course-feedback", text: remark(next, academyWords, mood) })
  rate(world, learner.person, visiting.now(), academyWords, mood === "good" ? [9, 1, 0] : [0, 2, 8])
}

/** Told when it is known how it went: the days until the new moderator has found the feet. */
function migrate(world: World, learner: Learner, at: number) {
  const { next } = world
  const success = chance(next, 0.85)
  learner.moderates = success
  const adaptation_days = Math.ceil(logNormal(next, success ? 4 : 9, 0.5))
  const roles = { from_role: "member", to_role: "moderator" }
  fromServer(world, learner.person, at + adaptation_days * DAY, "Role Migrated", { ...roles, success, adaptation_days })
}
