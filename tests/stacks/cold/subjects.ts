import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { type Bundle, bundle } from "../bundle.ts"
import { endpoints, given } from "../lambda.ts"
import { root } from "../synth.ts"
import { startEndpoint } from "./endpoint.ts"
import { type First, firstRequests, HOOKS_URL } from "./firsts.ts"
import { type Start, starterIn } from "./start.ts"

export type Subject = { name: string; bundle: Bundle; first: First }

/**
 * Functions by their handlers, bundled into a folder as they are deployed, each with a first request and AWS's stand-in.
 * `redis` as where there is one: what it takes is loaded when the first answer is out, or so it should be.
 */
export async function coldSubjects(folder: string, handlers: Readonly<Record<string, string>>, { redis = false } = {}) {
  const { items, firsts } = await firstRequests(systemClock)
  const endpoint = await startEndpoint(items)
  const environment = {
    ...given,
    OCTANT_TABLE: "octant-cold",
    OCTANT_APPEND_QUEUE_URL: `${endpoint.url}/append`,
    OCTANT_FOLD_QUEUE_URL: `${endpoint.url}/fold.fifo`,
    OCTANT_DELIVERIES_QUEUE_URL: `${endpoint.url}/deliveries`,
    OCTANT_BUS: "octant-cold",
    OCTANT_JOBS_HIGH_QUEUE_URL: `${endpoint.url}/jobs-high`,
    OCTANT_JOBS_LOW_QUEUE_URL: `${endpoint.url}/jobs-low`,
    OCTANT_KMS_KEY_ID: "arn:aws:kms:eu-central-1:123456789012:key/cold",
    OCTANT_HOOKS_URL: HOOKS_URL,
    ...endpoints(endpoint.url),
    ...(redis ? { OCTANT_REDIS_URL: endpoint.url, OCTANT_REDIS_TOKEN: "cold" } : {}),
  }
  const start = await starterIn(folder)
  const bundled = Object.entries(handlers).map(async ([name, handler]): Promise<Subject> => {
    const made = await bundle(root, handler, join(folder, name), { minify: true, splitting: true })
    return { name, bundle: made, first: firsts[name]! }
  })
  return {
    subjects: await Promise.all(bundled),
    /** Starts one and has it answer; throws when it does not. */
    begin: async ({ name, bundle: made, first }: Subject): Promise<Start & { asked: string[] }> => {
      endpoint.seen()
      const one = await start(made.file, first.event, environment)
      const asked = endpoint.seen()
      if (!first.answered(one.answer, asked, one.logged))
        throw new Error(`${name} did not answer: ${JSON.stringify(one.answer)}\n${one.logged}`)
      return { ...one, asked }
    },
    stop: endpoint.stop,
  }
}
