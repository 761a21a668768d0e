declare module "vader-sentiment/src/vader_lexicon.js" {
  /** Word or emoticon, mostly in lower case -> mean rating, -4 (most negative) to 4. */
  export const lexicon: Record<string, number>
}
