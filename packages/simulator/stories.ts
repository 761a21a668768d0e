import type { BusinessName } from "./world.ts"

/** Something that happens in the data and that a reader of it should find. `from` and `to` are days since the first, both included. */
export type Story = { name: string; business: BusinessName; from: number; to: number; what: string }

const END = 119

export const stories = {
  weekend: {
    name: "Weekend shopping",
    business: "shop",
    from: 0,
    to: END,
    what: "Saturdays and Sundays sell about a third more than other days; nights are quiet.",
  },
  peak: {
    name: "Summer sale",
    business: "shop",
    from: 94,
    to: 103,
    what: "Visits and orders rise to about double and fall back.",
  },
  churnWave: {
    name: "Influencer customers leave",
    business: "shop",
    from: 72,
    to: END,
    what: "Nineteen of twenty customers who had come through the channel influencer never buy again.",
  },
  brokenCheckout: {
    name: "Broken mobile checkout",
    business: "shop",
    from: 54,
    to: 55,
    what: "On mobile, Checkout Started goes on and Order Completed almost stops, with Error Occurred payment_timeout.",
  },
  productLaunch: {
    name: "Cold brew kit",
    business: "shop",
    from: 40,
    to: END,
    what: "A new product, cold-brew-kit, is adopted along a logistic curve, half of the way after two weeks.",
  },
  viralDay: {
    name: "Viral video",
    business: "academy",
    from: 63,
    to: 63,
    what: "Sign-ups rise more than tenfold for one day, nearly all through the channel video, and stay for a shorter time.",
  },
  workingWeek: {
    name: "Working week",
    business: "assistant",
    from: 0,
    to: END,
    what: "Saturdays and Sundays see about half of the sessions of other days; nights are quiet.",
  },
  experiment: {
    name: "Guided start",
    business: "assistant",
    from: 20,
    to: 89,
    what: "Of new users who see the variant guided of guided-start 22 % subscribe; of control 12 %.",
  },
  featureLaunch: {
    name: "Voice",
    business: "assistant",
    from: 45,
    to: END,
    what: "A new feature, voice, is adopted along a logistic curve, half of the way after two weeks.",
  },
  slowModel: {
    name: "Slow model",
    business: "assistant",
    from: 81,
    to: 83,
    what: "The model iris-large takes six times as long as usual, some answers time out, and sessions are shorter.",
  },
} as const satisfies Record<string, Story>

export const during = (story: Story, day: number) => day >= story.from && day <= story.to

/** Share of those who will ever adopt that have done so by a day: logistic, a half after two weeks. */
export const adoption = (story: Story, day: number) =>
  day < story.from ? 0 : 1 / (1 + Math.exp(-(day - story.from - 14) / 4))

/** 0 outside of the story, rising to 1 in its middle. */
export const swell = (story: Story, day: number) =>
  during(story, day) ? Math.sin((Math.PI * (day - story.from + 0.5)) / (story.to - story.from + 1)) : 0
