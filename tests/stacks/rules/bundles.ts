import { each, type Rules } from "../model.ts"

const KB = 1024
/** Of what is loaded when a function starts. */
const MOST_BYTES = { collect: 120 * KB, other: 900 * KB }
const SMALL_BYTES = 10_000

/** What has no business in the door that takes events in, and how it is known in a bundle. */
const forbidden: Record<string, (path: string) => boolean> = {
  openai: (path) => path.includes("node_modules/openai/"),
  "the AWS SDK": (path) => path.includes("node_modules/@aws-sdk/") || path.includes("node_modules/@smithy/"),
  "the whole of zod": (path) => path.includes("/zod/v4/classic/") || /zod\/v4\/locales\/(?!en\.)/.test(path),
  "the lexicon": (path) => path.includes("packages/science/") || path.includes("node_modules/vader-sentiment/"),
  "the client of Redis": (path) => path.includes("node_modules/@upstash/") || path.includes("node_modules/cockatiel/"),
  "the views": (path) => path.includes("packages/metrics/") || path.includes("packages/pipeline/fold"),
}

export const bundles: Rules = {
  "no bundle is larger than its budget": ({ functions }) =>
    each(
      functions,
      ({ name, bundle }) => !bundle || bundle.bytes > (name === "collect" ? MOST_BYTES.collect : MOST_BYTES.other),
      ({ resource, bundle }) => `${resource}: ${bundle?.bytes ?? "no bundle"}`,
    ),

  "collect carries nothing that it does not need": ({ functions }) => {
    const sources = Object.entries(functions.find(({ name }) => name === "collect")?.bundle?.sources ?? {})
    const cache = sources
      .filter(([path]) => path.includes("node_modules/lru-cache/"))
      .reduce((sum, [, bytes]) => sum + bytes, 0)
    return [
      ...Object.entries(forbidden).flatMap(([what, is]) =>
        each(
          sources,
          ([path, bytes]) => bytes > 0 && is(path),
          ([path]) => `${what}: ${path}`,
        ),
      ),
      ...(cache > SMALL_BYTES ? [`lru-cache: ${cache} bytes`] : []),
    ]
  },

  "no bundle carries what only this machine needs": ({ functions }) =>
    functions.flatMap(({ resource, bundle }) =>
      each(
        Object.keys(bundle?.sources ?? {}),
        (path) => /packages\/(local|simulator|cli)\/|\.test\.ts$/.test(path),
        (path) => `${resource}: ${path}`,
      ),
    ),
}
