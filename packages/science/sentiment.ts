import { emojiNames } from "./emoji.ts"
import { boosterPairs, boosters, idioms, negations, ratings } from "./lexicon.ts"

/** Characters of a text that are read; the rest is ignored. */
export const TEXT_LIMIT = 10_000

const NEGATED = -0.74
const CAPITALS = 0.733
const EXCLAMATION = 0.292
const QUESTION = 0.18
const MANY_QUESTIONS = 0.96
/** Alpha of `x / sqrt(x² + alpha)`, about the largest sum to be expected. */
const ALPHA = 15
/** How much of a booster's effect is left one, two and three words away. */
const FADING = [1, 0.95, 0.9]

/** `rating` is undefined for a word that the lexicon does not know. */
type Word = { text: string; capital: boolean; rating: number | undefined }

/**
 * VADER's compound score of an English text: -1 (most negative) to 1 (most positive), four decimals, 0 when no word is
 * known. By convention ≥ 0.05 is positive and ≤ -0.05 negative.
 *
 * Hutto & Gilbert (2014), "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", ICWSM-14.
 * Each known word's rating is changed by the three words before it; s = the sum; compound = s / sqrt(s² + 15).
 * As vaderSentiment 3.3.2, except that it (1) parts an emoji from the word after it and from its variation selector,
 * (2) reads curly quotes as straight, (3) finds the words around "but" by place, where the reference finds them by score.
 */
export function sentiment(text: string): number {
  const plain = plainOf(text.slice(0, TEXT_LIMIT))
  const words = wordsOf(plain)
  const capitals = words.filter(({ capital }) => capital).length
  const shouts = capitals > 0 && capitals < words.length
  const but = words.findIndex((word) => word.text === "but")
  let sum = 0
  for (const [i, word] of words.entries()) {
    if (word.rating !== undefined) sum += valence(words, i, word.rating, shouts) * (but < 0 ? 1 : i < but ? 0.5 : 1.5)
  }
  sum += Math.sign(sum) * emphasis(plain)
  return Math.round((sum / Math.sqrt(sum * sum + ALPHA)) * 10_000) / 10_000
}

/** Emoji become words, curly quotes straight ones. */
function plainOf(text: string) {
  if (/^[\x00-\x7f]*$/.test(text)) return text
  return text
    .replace(
      /(\p{Extended_Pictographic})(?:\u200d|\ufe0f|\p{Emoji_Modifier})*/gu,
      (_, emoji) => ` ${emojiNames.get(emoji) ?? emoji} `,
    )
    .replace(/[‘’]/g, "'")
    .replace(/[“”]/g, '"')
}

function wordsOf(text: string): Word[] {
  const known = ratings()
  const words: Word[] = []
  for (const token of text.split(/\s+/)) {
    if (token === "") continue
    const stripped = stripPunctuation(token)
    const lower = stripped.toLowerCase()
    words.push({
      text: lower,
      capital: lower !== stripped && stripped.toUpperCase() === stripped,
      rating: known.get(lower),
    })
  }
  return words
}

/** Without the punctuation around it, unless two characters or fewer would be left: then it may be an emoticon. */
function stripPunctuation(token: string) {
  let [start, end] = [0, token.length]
  while (start < end && isPunctuation(token.charCodeAt(start))) start++
  while (end > start && isPunctuation(token.charCodeAt(end - 1))) end--
  return end - start <= 2 ? token : token.slice(start, end)
}

/** The 32 punctuation characters of ASCII. */
const isPunctuation = (code: number) =>
  (code > 32 && code < 48) || (code > 57 && code < 65) || (code > 90 && code < 97) || (code > 122 && code < 127)

/** The rating of the word at `i` in its place: after "no", in capitals, boosted, negated, in an idiom, after "least". */
function valence(words: Word[], i: number, rating: number, shouts: boolean): number {
  const at = (place: number) => words[place]?.text
  const word = words[i]!
  if (word.text === "kind" && at(i + 1) === "of") return 0
  const negates = word.text === "no" && words[i + 1]?.rating !== undefined
  let score = afterNo(at, i) ? rating * NEGATED : negates ? 0 : rating
  if (shouts && word.capital) score += score > 0 ? CAPITALS : -CAPITALS
  for (let distance = 1; distance <= 3; distance++) {
    const before = words[i - distance]
    if (before === undefined) break
    if (before.rating !== undefined) continue
    score += boost(before, score, shouts) * FADING[distance - 1]!
    score *= negation(at, i, distance)
    if (distance === 3) score = idiom(at, i, score)
  }
  return at(i - 1) === "least" && at(i - 2) !== "at" && at(i - 2) !== "very" ? score * NEGATED : score
}

/** The word at a place, in lower case; undefined outside the text. */
type At = (place: number) => string | undefined

const afterNo = (at: At, i: number) =>
  at(i - 1) === "no" || at(i - 2) === "no" || (at(i - 3) === "no" && (at(i - 1) === "or" || at(i - 1) === "nor"))

/** What a degree adverb adds: away from zero if it strengthens. */
function boost(word: Word, score: number, shouts: boolean): number {
  const step = boosters.get(word.text)
  if (step === undefined) return 0
  const signed = score < 0 ? -step : step
  if (!shouts || !word.capital) return signed
  return signed + (score > 0 ? CAPITALS : -CAPITALS)
}

/** The factor from the word `distance` (1…3) before `i`: "never so good" is praise, "without a doubt" denies nothing. */
function negation(at: At, i: number, distance: number): number {
  const word = at(i - distance)!
  const [third, second, first] = [at(i - 3), at(i - 2), at(i - 1)]
  const soFirst = first === "so" || first === "this"
  const soSecond = second === "so" || second === "this"
  if (distance === 2 && word === "never" && soFirst) return 1.25
  // With "so" or "this" next to the word, the reference no longer asks for "never".
  if (distance === 3 && ((third === "never" && soSecond) || soFirst)) return 1.25
  const doubt = (distance > 1 && first === "doubt") || (distance > 2 && second === "doubt")
  if (word === "without" && doubt) return 1
  return negations.has(word) || word.includes("n't") ? NEGATED : 1
}

/** The score of an idiom around the word at `i`, which has three words before it; then a booster of two words. */
function idiom(at: At, i: number, score: number): number {
  const [third, second, first, word, next] = [at(i - 3), at(i - 2), at(i - 1), at(i), at(i + 1)]
  const behind =
    idioms.get(`${first} ${word}`) ??
    idioms.get(`${second} ${first} ${word}`) ??
    idioms.get(`${second} ${first}`) ??
    idioms.get(`${third} ${second} ${first}`) ??
    idioms.get(`${third} ${second}`)
  const ahead = idioms.get(`${word} ${next}`) ?? idioms.get(`${word} ${next} ${at(i + 2)}`)
  const pairs = (boosterPairs.get(`${third} ${second}`) ?? 0) + (boosterPairs.get(`${second} ${first}`) ?? 0)
  return (ahead ?? behind ?? score) + pairs
}

/** Up to four exclamation marks count; so do question marks from the second on. */
function emphasis(text: string): number {
  let [exclamations, questions] = [0, 0]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 33) exclamations++
    else if (code === 63) questions++
  }
  const asking = questions < 2 ? 0 : questions <= 3 ? questions * QUESTION : MANY_QUESTIONS
  return Math.min(exclamations, 4) * EXCLAMATION + asking
}
