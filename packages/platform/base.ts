import { authenticator } from "#access/caller.ts"
import { limiterOf } from "#access/limit.ts"
import { planReader } from "#access/plans.ts"
import { trackingPlanReader } from "#access/tracking.ts"
import { type Clock, instant, systemClock } from "#core/clock.ts"
import { newFigures } from "#core/figures.ts"
import { correlated, jsonLog, type Log } from "#core/log.ts"
import { randomText, systemRandom } from "#core/random.ts"
import type { Tracing } from "#core/unit.ts"
import type { Meter } from "#store/table.ts"
import { type AwsOptions, awsClient } from "./aws.ts"
import type { Config } from "./config.ts"
import { dynamoTable } from "./dynamodb.ts"
import { emittedOf } from "./emitted.ts"
import { metered, timed } from "./figures.ts"
import { gathered } from "./gathered.ts"
import { foldRequester, sender } from "./queue.ts"
import { redisOf, windowsFor } from "./redis.ts"
import { tracesOf } from "./tracing.ts"

const NONCE_LENGTH = 20
const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms))

export type BaseOptions = {
  log?: Log
  meter?: Meter
  clock?: Clock
  /** Hears of every span; without it, and without a collector, nothing is traced. */
  tell?: Tracing["tell"]
  foldEvery?: () => number
  /** How long AWS is waited for, if not as long as the client would. */
  patience?: { timeoutMs: number; withinMs: number }
}

/** At a door somebody waits: before Lambda ends the call without a word, they are told to come again. */
export const atADoor = { patience: { timeoutMs: 3_000, withinMs: 8_000 } } as const

/**
 * What every function may be given: the clock, chance, the table, the queues. Made once for each process. Whatever asks
 * others than AWS is in `runtime.ts`: most functions start without it.
 */
export function baseOf(config: Config, options: BaseOptions = {}) {
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
      events: config.AWS_ENDPOINT_URL_EVENTBRIDGE,
    },
    random: Math.random,
    sleep,
    onChange: (service, state) => log(`outside.${state}`, { host: service }),
    ...options.patience,
  }
  const clock = options.clock ?? systemClock
  const emitted = emittedOf(config)
  const figures = newFigures(emitted?.hear)
  const traces = tracesOf(config, systemRandom, options.tell)
  const call = timed(awsClient(aws), clock, figures)
  const stored = dynamoTable({ call, table: config.OCTANT_TABLE, meter: metered(figures, options.meter) })
  const table = { ...stored, get: gathered(stored) }
  const log = correlated(
    options.log ??
      jsonLog(
        (line) => process.stdout.write(line),
        () => instant(clock()),
      ),
  )
  const redis = redisOf(config, { clock, random: Math.random, sleep, log })
  return {
    aws,
    call,
    table,
    clock,
    random: systemRandom,
    sleep,
    nonce: () => randomText(systemRandom, NONCE_LENGTH),
    log,
    figures,
    tracing: traces.tracing,
    /** What is written before a function is frozen. */
    told: { ready: () => emitted?.ready(), figures: async () => emitted?.flush(), spans: traces.flush },
    foldEvery: options.foldEvery,
    redis,
    limiter: limiterOf({ windows: windowsFor({ clock, log, figures, redis }), clock }),
    planOf: planReader({ table, clock }),
    addressHeader: config.OCTANT_ADDRESS_HEADER,
    operatorToken: config.OCTANT_OPERATOR_TOKEN,
    queues: queuesOf(config),
    authenticate: authenticator({ table, clock }),
    trackingPlan: trackingPlanReader({ table, clock }),
    enqueue: sender(call, config.OCTANT_APPEND_QUEUE_URL),
    requestFold: foldRequester(call, config.OCTANT_FOLD_QUEUE_URL),
  }
}
export type Base = ReturnType<typeof baseOf>

/** What there is to be looked at, with where a message goes that nobody could take. */
function queuesOf(config: Config): Queues {
  const {
    OCTANT_DELIVERIES_QUEUE_URL: deliveries,
    OCTANT_JOBS_HIGH_QUEUE_URL: high,
    OCTANT_JOBS_LOW_QUEUE_URL: low,
  } = config
  return {
    append: { url: config.OCTANT_APPEND_QUEUE_URL, dead: config.OCTANT_APPEND_DEAD_QUEUE_URL },
    fold: { url: config.OCTANT_FOLD_QUEUE_URL, dead: config.OCTANT_FOLD_DEAD_QUEUE_URL },
    ...(deliveries && { deliveries: { url: deliveries, dead: config.OCTANT_DELIVERIES_DEAD_QUEUE_URL } }),
    ...(high && { "jobs-high": { url: high, dead: config.OCTANT_JOBS_HIGH_DEAD_QUEUE_URL } }),
    ...(low && { "jobs-low": { url: low, dead: config.OCTANT_JOBS_LOW_DEAD_QUEUE_URL } }),
  }
}
type Queue = { url: string; dead: string | undefined }
/** Only some functions are told of the last three. */
type Queues = { append: Queue; fold: Queue; deliveries?: Queue; "jobs-high"?: Queue; "jobs-low"?: Queue }
