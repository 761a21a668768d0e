import { createKey } from "#access/key.ts"
import { createTenant, Tenant } from "#access/tenant.ts"
import { startDynamo } from "#local/dynamodb.ts"
import { createTable } from "#local/table.ts"
import { readConfig } from "#platform/config.ts"
import { runtimeOf } from "#platform/runtime.ts"
import type { FunctionName } from "#platform/topology.ts"
import { type Guard, startGuard } from "./guard.ts"
import { given, startFunction } from "./lambda.ts"
import { type Model, modelOf } from "./model.ts"
import { synth } from "./synth.ts"

export type Actor = Awaited<ReturnType<typeof startFunction>> & Pick<Guard, "used">

export const OPERATOR_TOKEN = "operator-0123456789abcdef"
export const STRIPE_EVENT = {
  id: "evt_1",
  object: "event",
  type: "customer.created",
  created: 1_700_000_000,
  data: { object: { id: "cus_1", object: "customer", email: "ann@example.com" } },
}

/**
 * Every function's bundle behind a guard of its own that lets through what its role grants and nothing else, over one
 * real table; a tenant with keys; and an operator with all rights, for what a test sets up.
 */
export async function startCast() {
  const stops: (() => unknown)[] = []
  const plan = await synth({ stage: "jo", environment: { SST_SECRET_OperatorToken: OPERATOR_TOKEN } })
  const model = modelOf(plan)
  const dynamo = await startDynamo({})
  stops.push(dynamo.stop)

  const { variables } = model.functions[0]!.environment
  const operator = runtimeOf(await readConfig({ ...given, ...variables, AWS_ENDPOINT_URL_DYNAMODB: dynamo.url }))
  await createTable(operator.call, variables.OCTANT_TABLE!)
  const tenant = Tenant.parse({ id: "acme", name: "Acme" })
  await createTenant(operator, tenant)
  const keyOf = async (scope: "write" | "admin") => (await createKey(operator, tenant.id, { name: "key", scope })).key

  const arns = arnsIn(model)
  const sent = new Map<string, string[]>()
  const lying = new Map<string, string[]>()
  /** What was sent to a queue since this was last asked. */
  const received = (queue: string) => {
    const messages = sent.get(arns[queue]!) ?? []
    sent.delete(arns[queue]!)
    return messages
  }
  const act = async (one: Model["functions"][number], grants = one.grants): Promise<Actor> => {
    const guard = await startGuard({ grants, arns, dynamo: dynamo.url, sent, lying })
    const fetched = { object: "list", data: [STRIPE_EVENT], has_more: false }
    const running = await startFunction(one, { endpoint: guard.url, fetched })
    stops.push(running.stop, guard.stop)
    return { ...running, used: guard.used }
  }
  const started = model.functions.map(async (one) => [one.name, await act(one)] as const)
  return {
    model,
    operator,
    tenant: tenant.id,
    keys: { write: await keyOf("write"), admin: await keyOf("admin") },
    actors: Object.fromEntries(await Promise.all(started)) as Record<FunctionName, Actor>,
    act,
    received,
    /** Puts messages into a queue of dead letters. */
    lay: (queue: string, ...messages: string[]) => void lying.set(arns[queue]!, messages),
    stop: async () => {
      for (const stop of stops.reverse()) await stop()
    },
  }
}
export type Cast = Awaited<ReturnType<typeof startCast>>

/** By the names under which functions know them: a table's, a queue's URL, a key's own ARN; and by logical names. */
const arnsIn = ({ plan }: Model) =>
  Object.fromEntries(
    plan.resources.flatMap(({ name, state: { url, name: own, arn } }) =>
      [name, url, own].flatMap((known) => (typeof known === "string" ? [[known, String(arn)] as const] : [])),
    ),
  )
