import * as z from "zod/mini"

/** What the evaluation writes down: what would be made, and the bundles that were. */
const Resource = z.object({
  type: z.string(),
  name: z.string(),
  inputs: z.record(z.string(), z.unknown()),
  state: z.record(z.string(), z.unknown()),
  /** Whether it is left where it is when its stage is removed. */
  retained: z.boolean(),
})
const Bundled = z.object({
  name: z.string(),
  folder: z.string(),
  file: z.string(),
  bytes: z.number(),
  laterBytes: z.number(),
  sources: z.record(z.string(), z.number()),
  links: z.array(z.string()),
})
const Written = z.object({
  app: z.object({
    name: z.string(),
    stage: z.string(),
    removal: z.string(),
    protect: z.boolean(),
    providers: z.record(z.string(), z.unknown()),
  }),
  resources: z.array(Resource),
  functions: z.array(Bundled),
})
export type Resource = z.output<typeof Resource>
export type Bundled = z.output<typeof Bundled>
export type Plan = z.output<typeof Written>

/** In order, without what SST only uses to group others, and without the chance part of physical names. */
export function readPlan(written: unknown): Plan {
  const plan = Written.parse(written)
  const chance = new RegExp(`(${plan.app.name}-${plan.app.stage}-[a-z]+)-[a-z]{8}\\b`, "gi")
  const resources = plan.resources
    .filter(({ type }) => !type.startsWith("sst:") && !type.startsWith("pulumi:"))
    .map(({ inputs: { __provider: _, ...inputs }, state: { __provider: __, ...state }, ...rest }) => ({
      ...rest,
      inputs,
      state,
    }))
    .sort((a, b) => order(a, b))
  const functions = plan.functions.sort((a, b) => (a.name < b.name ? -1 : 1))
  return { ...plan, resources: JSON.parse(JSON.stringify(resources).replace(chance, "$1")) as Resource[], functions }
}

const order = (a: Resource, b: Resource) => (`${a.type} ${a.name}` < `${b.type} ${b.name}` ? -1 : 1)

type Made = { resource: string; arn: string; retained: boolean }

/** All of one type, with what is read of their inputs. */
export function all<T>(plan: Plan, type: string, Inputs: z.ZodMiniType<T>): (T & Made)[] {
  return plan.resources
    .filter((resource) => resource.type === type)
    .map(({ name, inputs, state, retained }) => ({
      ...Inputs.parse(inputs),
      resource: name,
      arn: String(state.arn),
      retained,
    }))
}
