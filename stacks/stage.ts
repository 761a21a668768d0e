/** Nothing of it can be removed by mistake. */
export const production = $app.stage === "production"

/** A stage of all, not somebody's own: it may take its share of the account's concurrency. */
export const shared = production || $app.stage === "staging"

/** What whoever deploys may say. A workflow gives an empty text for a variable that nobody has set. */
export const setting = (name: string) => process.env[name] || undefined

/** For what gets no name from its component: `octant-production-AppendErrors`. */
export const physical = (name: string) => `${$app.name}-${$app.stage}-${name}`
