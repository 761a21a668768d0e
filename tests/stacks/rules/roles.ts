import { isDeepStrictEqual } from "node:util"
import { each, type Rules } from "../model.ts"

/** Actions for which AWS knows no resources. */
const withoutResources = new Set([
  "xray:PutTraceSegments",
  "xray:PutTelemetryRecords",
  "cloudwatch:GetMetricStatistics",
])

export const roles: Rules = {
  "no role has a wildcard among its actions": ({ roles }) =>
    roles.flatMap(({ resource, statements }) =>
      statements.flatMap(({ Action }) =>
        each(
          Action,
          (action) => /[*?]/.test(action),
          (action) => `${resource}: ${action}`,
        ),
      ),
    ),

  "no role may do anything to all resources": ({ roles }) =>
    roles.flatMap(({ resource, statements }) =>
      each(
        statements,
        ({ Action, Resource }) =>
          Resource.some((one) => !one.startsWith("arn:")) && !Action.every((action) => withoutResources.has(action)),
        ({ Action }) => `${resource}: ${Action.join(", ")}`,
      ),
    ),

  "the vault's key is used for a tenant only": ({ roles }) =>
    roles.flatMap(({ resource, statements }) =>
      each(
        statements,
        ({ Action, Condition }) =>
          Action.some((action) => action.startsWith("kms:")) &&
          !isDeepStrictEqual(Condition, [
            { test: "Null", values: ["false"], variable: "kms:EncryptionContext:tenant" },
          ]),
        ({ Action }) => `${resource}: ${Action.join(", ")}`,
      ),
    ),

  "no role has somebody else's policy": ({ roles }) =>
    each(
      roles,
      ({ managed }) => managed.length > 0,
      ({ resource, managed }) => `${resource}: ${managed.join(", ")}`,
    ),

  "each function has a role of its own": ({ functions }) =>
    each(
      functions,
      ({ role }) => functions.filter((other) => other.role === role).length !== 1,
      ({ resource, role }) => `${resource}: ${role}`,
    ),

  "only the service that needs a role may take it": ({ roles, functions }) =>
    each(
      roles,
      ({ arn, assumeRolePolicy }) => {
        const Service = functions.some(({ role }) => role === arn) ? "lambda.amazonaws.com" : "scheduler.amazonaws.com"
        return !isDeepStrictEqual(principalsOf(assumeRolePolicy), [{ Service }])
      },
      ({ resource, assumeRolePolicy }) => `${resource}: ${JSON.stringify(principalsOf(assumeRolePolicy))}`,
    ),
}

type Trust = { Statement: { Principal: unknown }[] }

function principalsOf(policy: unknown) {
  const trust = (typeof policy === "string" ? JSON.parse(policy) : policy) as Trust
  return trust.Statement.map(({ Principal }) => Principal)
}
