import { join } from "node:path"
import { apiApp } from "#api/api.ts"
import { collectApp, collectPaths } from "#api/collect.ts"
import { hooksApp } from "#api/hooks.ts"
import { type Clock, SECOND } from "#core/clock.ts"
import { failure, type Log, silent } from "#core/log.ts"
import type { Tracing } from "#core/unit.ts"
import { kindNamed } from "#pipeline/jobs/kinds.ts"
import { newTails } from "#pipeline/reading.ts"
import { appendWorker } from "#platform/append-worker.ts"
import { awsClient } from "#platform/aws.ts"
import { cacheOf } from "#platform/cache.ts"
import { checkWorker } from "#platform/check-worker.ts"
import { closeWorker } from "#platform/close-worker.ts"
import { type Config, readConfig } from "#platform/config.ts"
import { foldWorker } from "#platform/fold-worker.ts"
import { jobWorker } from "#platform/job-worker.ts"
import { pollWorker } from "#platform/poll.ts"
import { type Runtime, runtimeOf } from "#platform/runtime.ts"
import { queues as queueFacts, type ScheduleName, schedules, subscribers } from "#platform/topology.ts"
import type { Meter } from "#store/table.ts"
import { busQueues } from "./bus.ts"
import { keeper, tried } from "./calls.ts"
import { startDynamo } from "./dynamodb.ts"
import { operatorToken } from "./home.ts"
import { serveHttp } from "./http.ts"
import { poll } from "./poller.ts"
import { startQueues } from "./queues.ts"
import { schedule, systemTimers } from "./schedule.ts"
import { createTable } from "./table.ts"
import { telling } from "./telling.ts"
import { localVault } from "./vault.ts"

const TABLE = "octant-local"
/** The cloud gathers for a second; nobody waits that long in front of a terminal. */
const WINDOW_MS = 50
const RETRY_AFTER_SECONDS = 1

export type StackOptions = {
  /** Where the data is kept; in memory if absent. */
  dir?: string
  port?: number
  log?: Log
  meter?: Meter
  engine?: "dynoxide" | "dynamodb-local"
  /** A Redis behind Upstash's REST protocol; without it limits and answers are kept in this process. */
  redis?: { OCTANT_REDIS_URL: string; OCTANT_REDIS_TOKEN: string }
  /** Whether the queues are worked; a stack without workers only accepts. */
  workers?: boolean
  /** Under which address vendors reach this machine, such as a tunnel's; its own if absent. */
  hooksUrl?: string
  /** For what is asked of others: vendors' certificates and lists. */
  fetch?: typeof fetch
  clock?: Clock
  /** Where traces go, as OpenTelemetry's own variables say it; and who hears of each span here. */
  traces?: { OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined; OTEL_TRACES_SAMPLER_ARG?: string | undefined }
  tell?: Tracing["tell"]
  foldEvery?: () => number
  /** For how many seconds a delivery that is to be tried again after so many milliseconds is hidden; `idle` then waits for it too. */
  hiddenFor?: (ms: number) => number
}
export type Stack = {
  url: string
  runtime: Runtime
  config: Config
  /** Resolves when everything that was accepted has been appended, and every fold that was asked for is done. */
  idle(): Promise<void>
  stop(): Promise<void>
}

/** The whole product in one process: the doors, the workers, the schedules, over embedded DynamoDB and SQS. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const stops: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const end of stops.reverse().splice(0)) await end()
  }
  try {
    return await started(options, stops, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function started(
  options: StackOptions,
  stops: (() => Promise<unknown>)[],
  stop: () => Promise<void>,
): Promise<Stack> {
  const { dir, log = silent, engine } = options
  const dynamo = await startDynamo({ ...(dir ? { file: join(dir, "table.db") } : {}), ...(engine ? { engine } : {}) })
  stops.push(dynamo.stop)
  const queues = await startQueues({
    ...(dir ? { dataDir: join(dir, "queues") } : {}),
    queues: [...described, ...busQueues, ...scheduleQueues],
  })
  stops.push(queues.stop)
  const config = await readConfig({
    OCTANT_TABLE: TABLE,
    OCTANT_APPEND_QUEUE_URL: queues.queueUrl("append"),
    OCTANT_FOLD_QUEUE_URL: queues.queueUrl("fold"),
    OCTANT_APPEND_DEAD_QUEUE_URL: queues.queueUrl(queueFacts.append.deadLetter),
    OCTANT_FOLD_DEAD_QUEUE_URL: queues.queueUrl(queueFacts.fold.deadLetter),
    OCTANT_DELIVERIES_QUEUE_URL: queues.queueUrl("deliveries"),
    OCTANT_DELIVERIES_DEAD_QUEUE_URL: queues.queueUrl(queueFacts.deliveries.deadLetter),
    OCTANT_BUS: "octant-local",
    OCTANT_JOBS_HIGH_QUEUE_URL: queues.queueUrl("jobs-high"),
    OCTANT_JOBS_LOW_QUEUE_URL: queues.queueUrl("jobs-low"),
    OCTANT_JOBS_HIGH_DEAD_QUEUE_URL: queues.queueUrl(queueFacts["jobs-high"].deadLetter),
    OCTANT_JOBS_LOW_DEAD_QUEUE_URL: queues.queueUrl(queueFacts["jobs-low"].deadLetter),
    OCTANT_NOTIFY_DEAD_QUEUE_URL: queues.queueUrl(subscribers.notify.deadLetter),
    OCTANT_CLOSE_DEAD_QUEUE_URL: queues.queueUrl(schedules.close.deadLetter),
    OCTANT_CHECK_DEAD_QUEUE_URL: queues.queueUrl(schedules.check.deadLetter),
    OCTANT_POLL_DEAD_QUEUE_URL: queues.queueUrl(schedules.poll.deadLetter),
    OCTANT_OPERATOR_TOKEN: operatorToken(dir),
    ...options.redis,
    ...options.traces,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.url,
    AWS_ENDPOINT_URL_SQS: queues.url,
    AWS_ENDPOINT_URL_CLOUDWATCH: queues.url,
    AWS_ENDPOINT_URL_EVENTBRIDGE: queues.url,
  })
  let url = ""
  const runtime = runtimeOf(config, {
    log,
    ...(options.meter ? { meter: options.meter } : {}),
    ...(options.clock ? { clock: options.clock } : {}),
    ...(options.fetch ? { fetch: options.fetch } : {}),
    ...(options.tell ? { tell: options.tell } : {}),
    ...(options.foldEvery ? { foldEvery: options.foldEvery } : {}),
    vault: localVault(dir),
    hooksUrl: () => options.hooksUrl ?? url,
    loopback: true,
  })
  stops.push(() => runtime.told.spans(SECOND))
  await createTable(runtime.call, TABLE)

  const keep = keeper({
    ...runtime,
    deadOf: (name) => queues.queueUrl({ ...schedules, ...subscribers }[name].deadLetter),
  })
  let stopping = false
  const worked = options.workers === false ? [] : work(runtime, queues, () => stopping)
  // What an endpoint is to be told waits for hours when it fails: nobody waits for that to be idle.
  const { bus, deliveries } =
    options.workers === false ? {} : telling(runtime, queues, { keep, hiddenFor: options.hiddenFor })
  stops.push(() => {
    stopping = true
    const stopped = Promise.all([...worked, bus, deliveries].map((poller) => poller?.stop()))
    // Else each would wait for the second that its long poll takes.
    queues.wake()
    return stopped
  })
  const ending = new AbortController()
  const runs = {
    close: closeWorker(runtime),
    poll: pollWorker(runtime, { stop: ending.signal }),
    check: checkWorker(runtime),
  }
  const jobs = (Object.keys(runs) as ScheduleName[]).map((name) => ({
    name,
    everyMs: schedules[name].everyMs,
    run: tried(name, runs[name], { keep, ending: ending.signal }),
  }))
  const scheduler = schedule(jobs, systemTimers, (name, error) =>
    log("schedule.failed", { route: name, ...failure(error) }),
  )
  stops.push(scheduler.stop, async () => ending.abort())

  const collect = collectApp(runtime)
  const hooks = hooksApp(runtime)
  const api = apiApp({ ...runtime, tails: newTails(), cache: cacheOf(runtime) })
  const server = await serveHttp(
    [
      {
        prefix: "/",
        fetch: (request, env) => (collectPaths.has(new URL(request.url).pathname) ? collect : api).fetch(request, env),
      },
      { prefix: "/hooks/", fetch: (request, env) => hooks.fetch(request, env) },
    ],
    { ...(options.port === undefined ? {} : { port: options.port }) },
  )
  stops.push(server.stop)
  url = server.url
  return {
    url,
    runtime,
    config,
    idle: async () => {
      for (const poller of worked) await poller.idle()
      await bus?.idle()
      if (options.hiddenFor) await deliveries?.idle()
    },
    stop,
  }
}

const DEAD_VISIBILITY_SECONDS = 30
/** A schedule has no queue, and yet its dead letters. */
const scheduleQueues = Object.values(schedules).map(({ deadLetter }) => ({
  name: deadLetter,
  visibilitySeconds: DEAD_VISIBILITY_SECONDS,
}))
const described = Object.entries(queueFacts).map(([name, { fifo, visibilitySeconds, deadLetter, afterReceives }]) => ({
  name,
  fifo,
  visibilitySeconds,
  deadLetter: { name: deadLetter, afterReceives },
}))

type Queues = Awaited<ReturnType<typeof startQueues>>

/** Appending first: folds are asked for by it. */
function work(runtime: Runtime, queues: Queues, isStopping: () => boolean) {
  const stoppable = { ...runtime, isStopping, kindNamed }
  const handlers = {
    append: appendWorker(runtime),
    fold: foldWorker(runtime, isStopping),
    "jobs-high": jobWorker(stoppable, "jobs-high"),
    "jobs-low": jobWorker(stoppable, "jobs-low"),
  }
  return (["append", "fold", "jobs-high", "jobs-low"] as const).map((name) =>
    poll({
      call: awsClient({ ...runtime.aws, timeoutMs: 30_000 }),
      queueUrl: queues.queueUrl(name),
      queueArn: queues.queueArn(name),
      handler: handlers[name],
      batchSize: queueFacts[name].batchSize,
      windowMs: Math.min(queueFacts[name].windowMs, WINDOW_MS),
      // One appends: whoever waits for an answer before the next call finds its events in that order.
      concurrency: name === "fold" ? 2 : 1,
      retryAfterSeconds: RETRY_AFTER_SECONDS,
      onError: (error) => runtime.log("queue.failed", { queue: name, ...failure(error) }),
    }),
  )
}
