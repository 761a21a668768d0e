import { type FunctionName, factsOf } from "#platform/topology.ts"
import { bus } from "./bus.ts"
import { calls, queues } from "./queues.ts"
import { ADDRESS_HEADER, router } from "./router.ts"
import { setting } from "./stage.ts"
import { table } from "./storage.ts"
import { vaultKey } from "./vault.ts"

/** Upstash's, if there is one: without it each function counts limits for itself. */
export const redisUrl = setting("OCTANT_REDIS_URL")

/** OpenTelemetry's collector, if there is one: without it nothing is traced but what AWS traces by itself. */
const collector = setting("OTEL_EXPORTER_OTLP_ENDPOINT")
const sampled = setting("OTEL_TRACES_SAMPLER_ARG")

/** What `config.ts` asks of every function. */
const ofAll = {
  ...(collector === undefined ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: collector }),
  ...(collector === undefined || sampled === undefined ? {} : { OTEL_TRACES_SAMPLER_ARG: sampled }),
  OCTANT_TABLE: table.name,
  OCTANT_APPEND_QUEUE_URL: queues.append.live.url,
  OCTANT_FOLD_QUEUE_URL: queues.fold.live.url,
}
/** And what it asks of some. */
const ofSome: Record<string, $util.Input<string> | undefined> = {
  OCTANT_KMS_KEY_ID: vaultKey.arn,
  OCTANT_HOOKS_URL: router.url,
  OCTANT_ADDRESS_HEADER: ADDRESS_HEADER,
  OCTANT_REDIS_URL: redisUrl,
  OCTANT_APPEND_DEAD_QUEUE_URL: queues.append.dead.url,
  OCTANT_FOLD_DEAD_QUEUE_URL: queues.fold.dead.url,
  OCTANT_DELIVERIES_QUEUE_URL: queues.deliveries.live.url,
  OCTANT_DELIVERIES_DEAD_QUEUE_URL: queues.deliveries.dead.url,
  OCTANT_NOTIFY_DEAD_QUEUE_URL: calls.notify.url,
  OCTANT_CLOSE_DEAD_QUEUE_URL: calls.close.url,
  OCTANT_CHECK_DEAD_QUEUE_URL: calls.check.url,
  OCTANT_POLL_DEAD_QUEUE_URL: calls.poll.url,
  OCTANT_BUS: bus.name,
  OCTANT_JOBS_HIGH_QUEUE_URL: queues["jobs-high"].live.url,
  OCTANT_JOBS_LOW_QUEUE_URL: queues["jobs-low"].live.url,
  OCTANT_JOBS_HIGH_DEAD_QUEUE_URL: queues["jobs-high"].dead.url,
  OCTANT_JOBS_LOW_DEAD_QUEUE_URL: queues["jobs-low"].dead.url,
}

/** The environment of a function. */
export function settingsOf(name: FunctionName): Record<string, $util.Input<string>> {
  const own = (factsOf(name).settings ?? []).flatMap((setting) => {
    const value = ofSome[setting]
    return value === undefined ? [] : [[setting, value] as const]
  })
  const { threads } = factsOf(name)
  return {
    ...ofAll,
    ...Object.fromEntries(own),
    ...(threads === undefined ? {} : { UV_THREADPOOL_SIZE: String(threads) }),
  }
}
