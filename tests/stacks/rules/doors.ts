import * as z from "zod/mini"
import { functions as facts } from "#platform/topology.ts"
import { each, type Rules } from "../model.ts"
import { all } from "../plan.ts"
import { isForRule } from "./subscribers.ts"

/** CloudFront refuses a larger function. */
const EDGE_BYTES = 10_240

const Permission = z.object({
  function: z.string(),
  action: z.string(),
  principal: z.string(),
  qualifier: z.optional(z.string()),
  sourceArn: z.optional(z.string()),
  functionUrlAuthType: z.optional(z.string()),
  invokedViaFunctionUrl: z.optional(z.boolean()),
})
/** Whether it lets a call through that comes to a URL, and no other: anybody has an account of AWS to call by. */
const isByUrl = ({ action, functionUrlAuthType, invokedViaFunctionUrl }: z.output<typeof Permission>) =>
  action === "lambda:InvokeFunctionUrl" ? functionUrlAuthType === "NONE" : invokedViaFunctionUrl === true
const Route = z.object({
  namespace: z.string(),
  entries: z.optional(z.record(z.string(), z.string())),
  entry: z.optional(z.string()),
})
const Metadata = z.object({ host: z.string(), origin: z.object({ timeouts: z.object({ readTimeout: z.number() }) }) })
const Edge = z.object({ code: z.string() })
const Distribution = z.object({
  defaultCacheBehavior: z.object({
    allowedMethods: z.array(z.string()),
    originRequestPolicyId: z.string(),
    cachePolicyId: z.string(),
    viewerProtocolPolicy: z.string(),
  }),
})
const CachePolicy = z.object({ minTtl: z.number(), defaultTtl: z.number() })
/** AWS's own policy `AllViewerExceptHostHeader`: a URL of Lambda is known by its host, and keys come in headers. */
const ALL_HEADERS = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
const METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
const Sender = z.object({ configurationSetName: z.optional(z.string()) })
const Destination = z.object({
  configurationSetName: z.string(),
  eventDestination: z.object({
    enabled: z.optional(z.boolean()),
    matchingEventTypes: z.array(z.string()),
    snsDestination: z.optional(z.object({ topicArn: z.string() })),
  }),
})
/** What a sender of mail must hear of, or AWS shuts its account. */
const OUTCOMES = ["DELIVERY", "BOUNCE", "COMPLAINT", "REJECT"]
const TopicPolicy = z.object({ arn: z.string(), policy: z.string() })

/** Public paths, the host that answers each, and how long it is waited for. */
function routes({ plan }: Parameters<Rules[string]>[0]) {
  const made = all(plan, "pulumi-nodejs:dynamic:Resource", z.partial(Route))
  const hosts = made.flatMap(({ namespace, entries }) =>
    entries?.metadata ? [{ namespace, ...Metadata.parse(JSON.parse(entries.metadata)) }] : [],
  )
  return made.flatMap(({ entry }) => {
    if (entry === undefined) return []
    const [, namespace, , path] = entry.split(",")
    return [{ path: path!, namespace: namespace!, host: hosts.find((one) => one.namespace === namespace) }]
  })
}
const hostOf = (resource: string) => `${resource.toLowerCase()}.lambda-url.`

export const doors: Rules = {
  "each public path is answered by the function that the topology names": (model) => {
    const wanted = Object.entries(facts).flatMap(([name, fact]) =>
      "paths" in fact ? fact.paths.map((path) => ({ name, path, seconds: fact.timeoutSeconds })) : [],
    )
    const there = routes(model)
    return [
      ...each(
        wanted,
        ({ name, path, seconds }) => {
          const url = model.functions.find((one) => one.name === name)?.url
          const host = there.find((route) => route.path === path)?.host
          return !url || !host?.host.startsWith(hostOf(url.resource)) || host.origin.timeouts.readTimeout < seconds
        },
        ({ name, path }) => `${path}: not ${name}`,
      ),
      ...each(
        there,
        ({ path }) => !wanted.some((one) => one.path === path),
        ({ path }) => `${path}: not in the topology`,
      ),
    ]
  },

  "no two routes share a namespace of the edge's store": (model) => {
    const there = routes(model)
    return each(
      there,
      ({ namespace }) => there.filter((other) => other.namespace === namespace).length !== 1,
      ({ path, namespace }) => `${path}: ${namespace}`,
    )
  },

  "the edge's function fits": ({ plan }) =>
    each(
      all(plan, "aws:cloudfront/function:Function", Edge),
      ({ code }) => Buffer.byteLength(code) > EDGE_BYTES,
      ({ resource, code }) => `${resource}: ${Buffer.byteLength(code)} bytes`,
    ),

  "the router hands over every method and every header, by TLS, and keeps no answer by itself": ({ plan }) => {
    const policies = all(plan, "aws:cloudfront/cachePolicy:CachePolicy", CachePolicy)
    const routers = all(plan, "aws:cloudfront/distribution:Distribution", Distribution)
    return [
      ...(routers.length === 1 ? [] : [`${routers.length} routers`]),
      ...each(
        routers,
        ({ defaultCacheBehavior: does }) => {
          const policy = policies.find(({ resource }) => does.cachePolicyId === `${resource}-id`)
          return (
            METHODS.some((method) => !does.allowedMethods.includes(method)) ||
            does.originRequestPolicyId !== ALL_HEADERS ||
            !["https-only", "redirect-to-https"].includes(does.viewerProtocolPolicy) ||
            policy?.minTtl !== 0 ||
            policy.defaultTtl !== 0
          )
        },
        ({ resource }) => resource,
      ),
    ]
  },

  "the router says who has called, in the header where the functions look": ({ plan, functions }) => {
    const headers = new Set(functions.flatMap(({ environment }) => environment.variables.OCTANT_ADDRESS_HEADER ?? []))
    const [edge] = all(plan, "aws:cloudfront/function:Function", Edge)
    return each(
      [...headers],
      (header) => edge?.code.includes(`event.request.headers["${header}"] = { value: event.viewer.ip`) !== true,
      (header) => header,
    )
  },

  "a function with a URL can be called by it, at its live version": ({ plan, urls }) => {
    const permissions = all(plan, "aws:lambda/permission:Permission", Permission)
    return each(
      urls,
      ({ functionName, qualifier, authorizationType }) =>
        qualifier !== "live" ||
        authorizationType !== "NONE" ||
        !["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"].every((action) =>
          permissions.some(
            (one) =>
              one.function === functionName &&
              one.qualifier === qualifier &&
              one.action === action &&
              one.principal === "*",
          ),
        ),
      ({ resource }) => resource,
    )
  },

  "nobody but a URL's callers and the bus's rules may call a function": (model) =>
    each(
      all(model.plan, "aws:lambda/permission:Permission", Permission),
      (permission) =>
        !(isByUrl(permission) && model.urls.some(({ functionName }) => functionName === permission.function)) &&
        !isForRule(model, permission),
      ({ resource }) => resource,
    ),

  "the functions answer browsers themselves: no URL adds headers": ({ urls }) =>
    each(
      urls,
      ({ cors }) => cors !== undefined,
      ({ resource }) => resource,
    ),

  "what becomes of mail is told, and SES may tell it": ({ plan }) => {
    const policies = all(plan, "aws:sns/topicPolicy:TopicPolicy", TopicPolicy)
    const destinations = all(
      plan,
      "aws:sesv2/configurationSetEventDestination:ConfigurationSetEventDestination",
      Destination,
    )
    const senders = all(plan, "aws:sesv2/emailIdentity:EmailIdentity", Sender)
    return [
      ...each(
        senders,
        ({ configurationSetName }) =>
          !destinations.some(
            ({ configurationSetName: of, eventDestination: { enabled, matchingEventTypes } }) =>
              of === configurationSetName && enabled && OUTCOMES.every((type) => matchingEventTypes.includes(type)),
          ),
        ({ resource }) => `${resource}: not told`,
      ),
      ...each(
        destinations,
        ({ eventDestination: { snsDestination } }) =>
          !policies.some(
            ({ arn, policy }) =>
              arn === snsDestination?.topicArn &&
              policy.includes("ses.amazonaws.com") &&
              policy.includes("sns:Publish") &&
              // For us alone: anybody's SES has the same name.
              policy.includes("aws:SourceAccount") &&
              policy.includes("aws:SourceArn"),
          ),
        ({ resource }) => `${resource}: may not be told`,
      ),
    ]
  },
}
