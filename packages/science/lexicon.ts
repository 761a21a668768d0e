import { vader } from "./vader.ts"

/** Four lines that VADER 3.3.2 has and the npm package, made from an older lexicon, has not. */
const newer: [string, number][] = [
  ["heart", 3.2],
  ["hearts", 3.3],
  ["badass", 1.4],
  ["flawed", -2.1],
]

let known: Map<string, number> | undefined

/**
 * Words and emoticons in lower case -> their mean rating by ten people, -4 (most negative) to 4 (most positive).
 * Made when first asked for: it takes some milliseconds, which most functions never need.
 */
export function ratings(): ReadonlyMap<string, number> {
  if (known) return known
  known = new Map()
  for (const line of vader.split("\n")) {
    const [rating, ...words] = line.split("\t")
    for (const word of words) known.set(word, Number(rating))
  }
  for (const [word, rating] of newer) known.set(word, rating)
  return known
}

const STRONGER = 0.293
const WEAKER = -0.293

const stronger = `absolutely amazingly awfully completely considerable considerably decidedly deeply effing enormous
  enormously entirely especially exceptional exceptionally extreme extremely fabulously flipping flippin frackin
  fracking fricking frickin frigging friggin fully fuckin fucking fuggin fugging greatly hella highly hugely incredible
  incredibly intensely major majorly more most particularly purely quite really remarkably so substantially thoroughly
  total totally tremendous tremendously uber unbelievably unusually utter utterly very`

const weaker = `almost barely hardly kinda kindof kind-of less little marginal marginally occasional occasionally
  partly scarce scarcely slight slightly somewhat sorta sortof sort-of`

const words = (list: string) => list.split(/\s+/)

/** Degree adverbs -> what they add to the strength of the word they stand before. */
export const boosters: ReadonlyMap<string, number> = new Map([
  ...words(stronger).map((word) => [word, STRONGER] as const),
  ...words(weaker).map((word) => [word, WEAKER] as const),
])

/** Degree adverbs of two words. */
export const boosterPairs: ReadonlyMap<string, number> = new Map(
  ["just enough", "kind of", "sort of"].map((pair) => [pair, WEAKER]),
)

/** Words that negate what follows; so does every word with "n't" in it. */
export const negations: ReadonlySet<string> = new Set(
  words(`aint arent cannot cant couldnt darent didnt doesnt dont hadnt hasnt havent isnt mightnt mustnt neednt neither
    never none nope nor not nothing nowhere oughtnt shant shouldnt uhuh uh-uh wasnt werent without wont wouldnt rarely
    seldom despite`),
)

/** Phrases that mean something other than their words -> the rating of the whole. */
export const idioms: ReadonlyMap<string, number> = new Map([
  ["the shit", 3],
  ["the bomb", 3],
  ["bad ass", 1.5],
  ["bus stop", 0],
  ["yeah right", -2],
  ["kiss of death", -1.5],
  ["to die for", 3],
  ["beating heart", 3.1],
  ["broken heart", -2.9],
])
