import { type Next, pick } from "./distributions.ts"

export const moods = ["good", "plain", "bad"] as const
export type Mood = (typeof moods)[number]
export type Words = Record<Mood, readonly string[]>

const openings: Words = {
  good: ["Love it.", "Really happy with this.", "Great!", "Excellent, thank you.", "Wonderful.", "So good."],
  plain: ["It is okay.", "Fine so far.", "A question.", "As expected.", "Just a note.", "Hello."],
  bad: ["Very disappointed.", "This is awful.", "Not good enough.", "I am annoyed.", "Terrible.", "Frustrating."],
}

/** A short text in one of three moods, about what a business's customers speak of. */
export const remark = (next: Next, words: Words, mood: Mood) =>
  `${pick(next, openings[mood])} ${pick(next, words[mood])}`

export const shopWords: Words = {
  good: [
    "The beans taste fresh and rich.",
    "Delivery was fast and the box looked beautiful.",
    "Best grinder I have owned.",
    "Friendly help and a quick refund.",
    "The tea was a perfect gift, my sister is delighted.",
    "Great value, I will buy again.",
  ],
  plain: [
    "When do you roast next?",
    "Do you send to Ireland on Saturdays?",
    "The bag is 250 grams, as it says.",
    "Can I change the address of my order?",
    "Which filter fits the small brewer?",
    "I use it about once a week.",
  ],
  bad: [
    "The parcel arrived late and damaged.",
    "The grinder broke after a week.",
    "The beans were stale and bitter.",
    "I was charged twice and nobody answers.",
    "The wrong item came, what a waste of time.",
    "Too expensive for such poor quality.",
  ],
}

export const academyWords: Words = {
  good: [
    "The lessons are clear and the teacher is brilliant.",
    "The community helped me when I was stuck.",
    "I finished my first project and got a job interview, amazing.",
    "The live calls are fun and useful.",
    "The quizzes make it easy to remember.",
    "Best course I have taken.",
  ],
  plain: [
    "I want to learn statistics for my work.",
    "I can study two evenings a week.",
    "Is there a certificate at the end?",
    "I heard about you from a friend.",
    "Where do I find the recordings?",
    "I would like to change careers next year.",
  ],
  bad: [
    "The lessons are boring and far too long.",
    "The video keeps freezing, it is useless.",
    "I paid and still cannot open the course.",
    "Nobody answers in the forum, I feel lost.",
    "The exercises are confusing and full of errors.",
    "Too hard for a beginner, a sad waste of money.",
  ],
}

export const assistantWords: Words = {
  good: [
    "The answers are accurate and save me hours.",
    "Voice is a joy to use.",
    "It found the bug at once, impressive.",
    "The summaries are excellent.",
    "Fast and pleasant to work with.",
    "It writes better letters than I do, fantastic.",
  ],
  plain: [
    "How do I export a conversation?",
    "I use it for letters and tables.",
    "Does the team plan include voice?",
    "Can I choose the model myself?",
    "Where do I see what I have used?",
    "I mostly ask about Greek tax forms.",
  ],
  bad: [
    "The answers are painfully slow today.",
    "It invented a source, that is dangerous.",
    "I lost a long conversation, terrible.",
    "It stopped in the middle again and again.",
    "Too expensive for wrong answers.",
    "The limit is reached far too early, annoying.",
  ],
}

export const prompts = [
  "Please draft a friendly letter to my landlord.",
  "Summarise this meeting in five points.",
  "That is wrong, try again.",
  "Thank you, this is perfect!",
  "Why does this function return undefined?",
  "Translate this into Greek, please.",
  "No, I hate this tone. Make it shorter.",
  "Great, now add a table of the costs.",
  "What is the difference between the two contracts?",
  "Plan three days in Thessaloniki with children.",
] as const
