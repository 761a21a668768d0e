import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { startFunction } from "./lambda.ts"
import { type Model, modelOf } from "./model.ts"
import type { Plan } from "./plan.ts"

/** By these SST reads what is linked, and Node how many threads it has. */
const others = /^(SST_|UV_THREADPOOL_SIZE$)/

/** Starts every function in the environment that it would have: complaints if one does not start, or never looks at a variable. */
export async function startingComplaints(plan: Plan): Promise<string[]> {
  return (await Promise.all(modelOf(plan).functions.map(complaints))).flat()
}

async function complaints(made: Model["functions"][number]): Promise<string[]> {
  try {
    const running = await startFunction(made)
    running.stop()
  } catch (error) {
    return [(error as Error).message]
  }
  const { folder } = made.bundle!
  const code = globSync("**/*.mjs", { cwd: folder }).map((file) => readFileSync(join(folder, file), "utf8"))
  return Object.keys(made.environment.variables).flatMap((name) =>
    others.test(name) || code.some((text) => text.includes(name))
      ? []
      : [`${made.resource} has ${name} and never looks at it`],
  )
}
