import { factsOf } from "#platform/topology.ts"
import { functionOf } from "./function.ts"
import { pascal } from "./names.ts"
import { router } from "./router.ts"

export const doors = { collect: door("collect"), hooks: door("hooks"), api: door("api") }

/** A function with a URL of its own, which anybody may call: who may do what is decided by keys and signatures. */
function door(name: "collect" | "hooks" | "api") {
  const made = functionOf(name)
  const component = pascal(name)
  const address = new aws.lambda.FunctionUrl(`${component}Url`, {
    functionName: made.name,
    qualifier: made.live.name,
    authorizationType: "NONE",
  })
  const anybody = { function: made.name, qualifier: made.live.name, principal: "*" }
  new aws.lambda.Permission(`${component}UrlAccess`, {
    ...anybody,
    action: "lambda:InvokeFunctionUrl",
    functionUrlAuthType: "NONE",
  })
  new aws.lambda.Permission(`${component}UrlInvoke`, {
    ...anybody,
    action: "lambda:InvokeFunction",
    invokedViaFunctionUrl: true,
  })
  const { paths = [], timeoutSeconds } = factsOf(name)
  for (const path of paths) router.route(path, address.functionUrl, { readTimeout: `${timeoutSeconds} seconds` })
  return made
}
