/** Nothing of it can be removed by mistake. */
export const production = $app.stage === "production"

/** A stage of all, not somebody's own: it may take its share of the account's concurrency. */
export const shared = production || $app.stage === "staging"

/** For what gets no name from its component: `octant-production-AppendErrors`. */
export const physical = (name: string) => `${$app.name}-${$app.stage}-${name}`
