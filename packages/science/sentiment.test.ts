import { expect, test } from "vitest"
import { sentiment, TEXT_LIMIT } from "./sentiment.ts"

/** README.rst of cjhutto/vaderSentiment at 44fc044 (3.3.2): its examples and what that version answers to them. */
test.each([
  ["VADER is smart, handsome, and funny.", 0.8316],
  ["VADER is smart, handsome, and funny!", 0.8439],
  ["VADER is very smart, handsome, and funny.", 0.8545],
  ["VADER is VERY SMART, handsome, and FUNNY.", 0.9227],
  ["VADER is VERY SMART, handsome, and FUNNY!!!", 0.9342],
  ["VADER is VERY SMART, uber handsome, and FRIGGIN FUNNY!!!", 0.9469],
  ["VADER is not smart, handsome, nor funny.", -0.7424],
  ["The book was good.", 0.4404],
  ["At least it isn't a horrible book.", 0.431],
  ["The book was only kind of good.", 0.3832],
  ["Today SUX!", -0.5461],
  ["Today only kinda sux! But I'll get by, lol", 0.5249],
  ["Make sure you :) or :D today!", 0.8633],
  ["Catch utf-8 emoji such as 💘 and 💋 and 😁", 0.875],
  ["Not bad at all", 0.431],
])("as in VADER's README, %j scores %d", (text, compound) => {
  expect(sentiment(text)).toBe(compound)
})

/** The sentences of its demo, and ours, each for one rule; the scores are what vaderSentiment 3.3.2 answers. */
test.each([
  ["The plot was good, but the characters are uncompelling and the dialog is not great.", -0.7042],
  ["Sentiment analysis has never been good.", -0.3412],
  ["Sentiment analysis has never been this good!", 0.5672],
  ["With VADER, sentiment analysis is the shit!", 0.6476],
  ["On the other hand, VADER is quite bad ass", 0.802],
  ["VADER is such a badass!", 0.4003],
  ["Without a doubt, an excellent idea.", 0.7013],
  ["Roger Dodger is at least compelling as a variation on the theme.", 0.2263],
  ["Roger Dodger is one of the least compelling variations on this theme.", -0.1695],
  ["He left me with a broken heart", -0.8316],
  ["This is a flawed plan", -0.4767],
  ["There is no good reason", -0.3412],
  ["no problem", 0.3089],
  ["no real harm", 0.1655],
  ["no food or fun", -0.5996],
  ["never this good", 0.5228],
  ["without doubt good", 0.6136],
  ["the very least bad option", -0.5829],
  ["fun food so good", 0.7574],
  ["neither good nor bad", -0.5824],
  ["it was kind of bad", -0.5849],
  ["I sort of like it", 0.2975],
  ["the kind of person I like", 0.3612],
  ["I am so happy", 0.6948],
  ["I am so VERY happy", 0.7188],
  ["I HATE this", -0.6633],
  ["I HATE THIS", -0.5719],
  ["good?", 0.4404],
  ["good??", 0.504],
  ["good????", 0.594],
  ["good!!!!", 0.6209],
  ["good!!!!!", 0.6209],
  ["good 🚗", 0.4404],
  ["😢", -0.4767],
])("as in vaderSentiment 3.3.2, %j scores %d", (text, compound) => {
  expect(sentiment(text)).toBe(compound)
})

test("an emoji counts as it is typed on a phone, with its variation selector and next to a word", () => {
  expect(sentiment("\u2764\ufe0f")).toBe(sentiment("heart"))
  expect(sentiment("\u2764\ufe0fgreat")).toBe(sentiment("red heart great"))
  expect(sentiment("😊great")).toBe(sentiment("😊 great"))
})

test("a curly apostrophe negates like a straight one", () => {
  expect(sentiment("It isn’t “good”")).toBe(-0.3412)
})

test("what follows a but weighs three times what precedes it, even when it scores half as much", () => {
  // 2.4 / 2 + 1.2 * 1.5 = 3; 3 / sqrt(3² + 15) = 0.6124. The reference takes the second 1.2 for the first: 0.4215.
  expect(sentiment("encouraging but ok")).toBe(0.6124)
})

test("a text without a known word scores nothing, whatever its marks", () => {
  for (const text of ["", " \n", "Really?!", "__proto__ constructor hasOwnProperty toString", "\ud83d \udc18!"]) {
    expect(sentiment(text)).toBe(0)
  }
})

test("only the first ten thousand characters are read", () => {
  const long = "x".repeat(TEXT_LIMIT - 5)
  expect(sentiment(`${long} good`)).toBe(0.4404)
  expect(sentiment(`${long}x good`)).toBe(0)
  expect(sentiment("good ".repeat(100_000))).toBe(1)
})
