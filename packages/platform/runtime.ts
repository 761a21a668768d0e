import { setTimeout as sleep } from "node:timers/promises"
import { authenticator } from "#access/key.ts"
import { limiterOf } from "#access/limit.ts"
import { planReader } from "#access/plans.ts"
import { trackingPlanReader } from "#access/tracking.ts"
import { type Clock, instant, systemClock } from "#core/clock.ts"
import { newFigures } from "#core/figures.ts"
import { correlated, jsonLog, type Log } from "#core/log.ts"
import { randomText, systemRandom } from "#core/random.ts"
import type { Tracing } from "#core/unit.ts"
import type { FetchText } from "#sources/source.ts"
import type { Meter } from "#store/table.ts"
import type { Vault } from "#store/vault.ts"
import { type AwsOptions, awsClient } from "./aws.ts"
import type { Config } from "./config.ts"
import { dynamoTable } from "./dynamodb.ts"
import { emittedOf } from "./emitted.ts"
import { metered, timed } from "./figures.ts"
import { jobQueuesOf, jobSender } from "./jobs.ts"
import { foldRequester, sender } from "./queue.ts"
import { redisOf, windowsFor } from "./redis.ts"
import { tracesOf } from "./tracing.ts"

const NONCE_LENGTH = 20

type Options = {
  log?: Log
  meter?: Meter
  clock?: Clock
  /** For what is asked of others. */
  fetch?: typeof fetch
  vault?: Vault
  /** Where vendors send their webhooks to. */
  hooksUrl?: () => string
  /** Whether vendors' APIs may be on this machine. */
  loopback?: boolean
  /** Hears of every span; without it, and without a collector, nothing is traced. */
  tell?: Tracing["tell"]
  foldEvery?: () => number
}

/** Everything that a function may be given: the clock, chance, the table, the queues. Made once for each process. */
export function runtimeOf(config: Config, options: Options = {}) {
  const aws: AwsOptions = {
    region: config.AWS_REGION,
    credentials: () => ({
      accessKeyId: config.AWS_ACCESS_KEY_ID,
      secretAccessKey: config.AWS_SECRET_ACCESS_KEY,
      ...(config.AWS_SESSION_TOKEN === undefined ? {} : { sessionToken: config.AWS_SESSION_TOKEN }),
    }),
    endpoints: {
      dynamodb: config.AWS_ENDPOINT_URL_DYNAMODB,
      sqs: config.AWS_ENDPOINT_URL_SQS,
      kms: config.AWS_ENDPOINT_URL_KMS,
      monitoring: config.AWS_ENDPOINT_URL_CLOUDWATCH,
    },
    random: Math.random,
    sleep,
  }
  const clock = options.clock ?? systemClock
  const emitted = emittedOf(config)
  const figures = newFigures(emitted?.hear)
  const traces = tracesOf(config, systemRandom, options.tell)
  const call = timed(awsClient(aws), clock, figures)
  const table = dynamoTable({ call, table: config.OCTANT_TABLE, meter: metered(figures, options.meter) })
  const log = correlated(
    options.log ??
      jsonLog(
        (line) => process.stdout.write(line),
        () => instant(clock()),
      ),
  )
  const redis = redisOf(config, { clock, random: Math.random, sleep })
  const beneath = options.fetch ?? globalThis.fetch
  const fetch = outsideOf({ clock, random: Math.random, sleep, log, figures, fetch: beneath })
  return {
    aws,
    call,
    table,
    clock,
    random: systemRandom,
    sleep,
    fetch,
    fetchText: certificatesOf({ fetch, clock }),
    vault: options.vault ?? vaultOf(config, { call, clock, random: systemRandom }),
    hooksUrl: options.hooksUrl ?? (() => wanted(config, "OCTANT_HOOKS_URL")),
    loopback: options.loopback === true,
    nonce: () => randomText(systemRandom, NONCE_LENGTH),
    log,
    figures,
    tracing: traces.tracing,
    /** What is written before a function is frozen. */
    told: { figures: async () => emitted?.flush(), spans: traces.flush },
    foldEvery: options.foldEvery,
    redis,
    limiter: limiterOf({ windows: windowsFor({ clock, log, figures, redis }), clock }),
    planOf: planReader({ table, clock }),
    addressHeader: config.OCTANT_ADDRESS_HEADER,
    operatorToken: config.OCTANT_OPERATOR_TOKEN,
    queues: queuesOf(config),
    oldestSeconds: async (url: string) => (await import("./oldest.ts")).oldestSeconds(call, url, clock()),
    authenticate: authenticator({ table, clock }),
    trackingPlan: trackingPlanReader({ table, clock }),
    enqueue: sender(call, config.OCTANT_APPEND_QUEUE_URL),
    requestFold: foldRequester(call, config.OCTANT_FOLD_QUEUE_URL),
    sendJob: jobSender(call, config),
  }
}
export type Runtime = ReturnType<typeof runtimeOf>

/** The guard of what is asked of others is loaded with the first question: most functions ask nobody. */
function outsideOf(needs: Parameters<typeof import("./outside.ts").guardedFetch>[0]): typeof fetch {
  let guarded: Promise<typeof fetch> | undefined
  return async (input, init) => {
    guarded ??= import("./outside.ts").then(({ guardedFetch }) => guardedFetch(needs))
    return (await guarded)(input, init)
  }
}

/** What there is to be looked at, with where a message goes that nobody could take. */
const queuesOf = (config: Config) => ({
  append: { url: config.OCTANT_APPEND_QUEUE_URL, dead: config.OCTANT_APPEND_DEAD_QUEUE_URL },
  fold: { url: config.OCTANT_FOLD_QUEUE_URL, dead: config.OCTANT_FOLD_DEAD_QUEUE_URL },
  ...jobQueuesOf(config),
})

function vaultOf(config: Config, needs: Parameters<typeof import("./vault.ts").kmsVault>[0]): Vault {
  const key = config.OCTANT_KMS_KEY_ID
  let vault: Promise<Vault> | undefined
  const opened = () => {
    if (key === undefined) return Promise.reject(new Error("OCTANT_KMS_KEY_ID is needed to keep secrets"))
    vault ??= import("./vault.ts").then(({ kmsVault }) => kmsVault(needs, key))
    return vault
  }
  return {
    seal: async (about, content) => (await opened()).seal(about, content),
    open: async (about, sealed) => (await opened()).open(about, sealed),
  }
}

/** The same goes for what only webhooks need. */
function certificatesOf(needs: { fetch: typeof fetch; clock: Clock }): FetchText {
  let fetcher: Promise<FetchText> | undefined
  return async (url) => {
    fetcher ??= import("./certificates.ts").then(({ certificateFetcher }) => certificateFetcher(needs))
    return (await fetcher)(url)
  }
}

/** Only some functions need it, so it is asked for when it is needed. */
function wanted(config: Config, name: "OCTANT_HOOKS_URL"): string {
  const value = config[name]
  if (value === undefined) throw new Error(`${name} is needed to tell where webhooks are sent to`)
  return value
}
