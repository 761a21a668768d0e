import { type FunctionName, functions as facts, factsOf as factsByName, queues } from "#platform/topology.ts"
import { secretName } from "../../../stacks/names.ts"
import { each, type Rules } from "../model.ts"

/** What SST and Lambda take when nothing is said. */
const DEFAULT_TIMEOUTS = [3, 20]
const LONGEST_LOG_DAYS = 400
/** Of the 1,000 that an account has at first, AWS wants 100 kept for what has none reserved. */
const MOST_RESERVED = 900
const SECRET = /secret|token|password|credential|private|api_?key|^SST_KEY/i

const factsOf = (name: string) => (name in facts ? factsByName(name as FunctionName) : undefined)
/** On a stage where there is no Redis or no collector of traces, nothing is said of it. */
const traces = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG"]
const OPTIONAL = ["OCTANT_REDIS_URL", "OCTANT_REDIS_TOKEN", ...traces]
const ofAll = ["OCTANT_TABLE", "OCTANT_APPEND_QUEUE_URL", "OCTANT_FOLD_QUEUE_URL", ...traces]

export const functions: Rules = {
  "the functions are those of the topology": ({ functions }) => {
    const names = functions.map(({ name }) => name)
    return [
      ...each(
        names,
        (name) => !factsOf(name),
        (name) => `${name}: the topology does not know it`,
      ),
      ...each(
        Object.keys(facts),
        (name) => !names.includes(name),
        (name) => `${name}: it is not deployed`,
      ),
      ...each(
        functions,
        ({ name, handler }) => handler !== factsOf(name)?.handler,
        ({ resource, handler }) => `${resource}: ${handler}`,
      ),
    ]
  },

  "each function has a timeout that was chosen": ({ functions }) =>
    each(
      functions,
      ({ name, timeout }) => DEFAULT_TIMEOUTS.includes(timeout) || timeout !== factsOf(name)?.timeoutSeconds,
      ({ resource, timeout }) => `${resource}: ${timeout} s`,
    ),

  "each function has the memory that was chosen": ({ functions }) =>
    each(
      functions,
      ({ name, memorySize }) => memorySize !== factsOf(name)?.memoryMb,
      ({ resource, memorySize }) => `${resource}: ${memorySize} MB`,
    ),

  "each function runs on Node 24 and arm64": ({ functions }) =>
    each(
      functions,
      ({ runtime, architectures }) => runtime !== "nodejs24.x" || architectures.join() !== "arm64",
      ({ resource, runtime, architectures }) => `${resource}: ${runtime} on ${architectures.join()}`,
    ),

  "each function has a log of its own, which ends": ({ functions }) =>
    each(
      functions,
      ({ log }) =>
        !log?.retentionInDays ||
        log.retentionInDays > LONGEST_LOG_DAYS ||
        functions.filter((other) => other.log?.name === log.name).length !== 1,
      ({ resource, log }) => `${resource}: ${log ? `${log.name}, ${log.retentionInDays ?? "no end"}` : "no log"}`,
    ),

  "each function may write to its own log only": ({ functions }) =>
    each(
      functions,
      ({ grants, log }) =>
        grants
          .filter(({ Action }) => Action.some((action) => action.startsWith("logs:")))
          .flatMap(({ Resource }) => Resource)
          .join() !== `${log?.arn}:*`,
      ({ resource }) => resource,
    ),

  "each function logs in JSON": ({ functions }) =>
    each(
      functions,
      ({ loggingConfig }) => loggingConfig?.logFormat !== "JSON",
      ({ resource }) => resource,
    ),

  "each function is traced, a sample of its calls": ({ functions }) =>
    each(
      functions,
      ({ tracingConfig }) => tracingConfig?.mode !== "Active",
      ({ resource }) => resource,
    ),

  "each function keeps its versions, and one of them is live": ({ functions }) =>
    each(
      functions,
      ({ publish, live }) => !publish || live?.name !== "live",
      ({ resource }) => resource,
    ),

  "on a stage of all, a function has the concurrency that was reserved for it": ({ functions, shared }) => {
    const reserved = functions.reduce(
      (sum, { reservedConcurrentExecutions = 0 }) => sum + reservedConcurrentExecutions,
      0,
    )
    const wanted = (name: string) => (shared ? factsOf(name)?.reserved : undefined)
    return [
      ...each(
        functions,
        ({ name, reservedConcurrentExecutions }) => reservedConcurrentExecutions !== wanted(name),
        ({ resource, name, reservedConcurrentExecutions }) =>
          `${resource}: ${reservedConcurrentExecutions} instead of ${wanted(name)}`,
      ),
      ...(reserved > MOST_RESERVED ? [`${reserved} in all`] : []),
    ]
  },

  "each function is told what the topology says, and no more": ({ functions }) =>
    each(
      functions,
      ({ name, environment }) => {
        const { settings = [], threads } = factsOf(name) ?? {}
        const wanted: string[] = [...ofAll, ...settings, ...(threads ? ["UV_THREADPOOL_SIZE"] : [])]
        const told = Object.keys(environment.variables).filter((variable) => !variable.startsWith("SST_"))
        return (
          told.some((variable) => !wanted.includes(variable)) ||
          wanted.some((variable) => !told.includes(variable) && !OPTIONAL.includes(variable))
        )
      },
      ({ resource, environment }) => `${resource}: ${Object.keys(environment.variables).join(", ")}`,
    ),

  "whoever delivers can look up the names of a whole batch at once, and of AWS besides": ({ functions }) =>
    each(
      functions.filter(({ name }) => factsOf(name)?.queue === "deliveries"),
      ({ environment }) => !(Number(environment.variables.UV_THREADPOOL_SIZE) / 2 > queues.deliveries.batchSize),
      ({ resource, environment }) => `${resource}: ${environment.variables.UV_THREADPOOL_SIZE} threads`,
    ),

  "each function is linked to its secrets, and to nothing else": ({ functions }) =>
    each(
      functions,
      ({ name, bundle }) => {
        const wanted = factsOf(name)?.secrets ?? []
        const links = bundle?.links ?? []
        return (
          links.some((link) => !wanted.map(secretName).includes(link)) ||
          wanted.some((variable) => !links.includes(secretName(variable)) && !OPTIONAL.includes(variable))
        )
      },
      ({ resource, bundle }) => `${resource}: ${bundle?.links.join(", ")}`,
    ),

  "no environment holds a secret": ({ functions }) =>
    functions.flatMap(({ resource, environment, bundle }) =>
      each(
        Object.keys(environment.variables),
        (name) => SECRET.test(name) && !(name.startsWith("SST_KEY") && bundle && bundle.links.length > 0),
        (name) => `${resource}: ${name}`,
      ),
    ),
}
