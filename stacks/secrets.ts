import { type FunctionName, factsOf, functions } from "#platform/topology.ts"
import { secretName } from "./names.ts"
import { redisUrl } from "./settings.ts"
import { shared } from "./stage.ts"

/**
 * The secrets that functions name, set by `sst secret set`. On a stage of all, one that is not set fails the deployment;
 * one's own stage does without.
 */
const variables = new Set((Object.keys(functions) as FunctionName[]).flatMap((name) => factsOf(name).secrets ?? []))
const secrets = new Map(
  [...variables]
    .filter((variable) => variable !== "OCTANT_REDIS_TOKEN" || redisUrl !== undefined)
    .map((variable) => [variable, new sst.Secret(secretName(variable), shared ? undefined : "")] as const),
)

/** A function's secrets by the variable that it reads. */
export const secretsOf = (name: FunctionName) =>
  (factsOf(name).secrets ?? []).flatMap((variable) => {
    const secret = secrets.get(variable)
    return secret ? [{ variable, secret }] : []
  })

/**
 * What a function does first: SST has encrypted its secrets into a file of the bundle, so that its configuration shows
 * none; from there they come into this process's environment, where `config.ts` looks for them.
 */
export const unsealing = (variables: readonly string[]) =>
  `import { createDecipheriv as unsealer } from "node:crypto"
import { readFileSync as readSealed } from "node:fs"
{
  const sealed = readSealed(process.env.SST_KEY_FILE)
  const opened = unsealer("aes-256-gcm", Buffer.from(process.env.SST_KEY, "base64"), Buffer.alloc(12))
  opened.setAuthTag(sealed.subarray(-16))
  const linked = JSON.parse(Buffer.concat([opened.update(sealed.subarray(0, -16)), opened.final()]).toString())
  for (const [variable, name] of ${JSON.stringify(variables.map((variable) => [variable, secretName(variable)]))})
    if (linked[name].value) process.env[variable] = linked[name].value
}`
