import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, test } from "vitest"
import { functions } from "#platform/topology.ts"
import { broken } from "./rules/rules.ts"
import { startingComplaints } from "./starts.ts"
import { root, SynthFailed, synth } from "./synth.ts"

/** Mistakes that can be made in the sources, each made in a copy of them. */
const copies: string[] = []
afterAll(() => {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true })
})

function copyWithout(...parts: string[]) {
  const copy = mkdtempSync(join(tmpdir(), "octant-copy-"))
  copies.push(copy)
  for (const part of ["sst.config.ts", "package.json", "stacks", "functions", "packages"])
    cpSync(join(root, part), join(copy, part), { recursive: true })
  for (const part of parts) rmSync(join(copy, part))
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
  return copy
}

function copyWith(file: string, before: string, after: string) {
  const copy = copyWithout()
  const text = readFileSync(join(copy, file), "utf8")
  expect(text).toContain(before)
  writeFileSync(join(copy, file), text.replace(before, after))
  return copy
}

const evaluated = (from: string, environment: Record<string, string> = {}) => synth({ stage: "jo", from, environment })

test.concurrent("the copy itself is good", async () => {
  const plan = await evaluated(copyWithout())
  expect(broken(plan)).toEqual({})
  expect(await startingComplaints(plan)).toEqual([])
})

test.concurrent("a handler's file that is missing", () =>
  expect(evaluated(copyWithout("functions/fold.ts"))).rejects.toThrow("functions/fold.handler: there is no such file"))

test.concurrent("a handler that is not exported", () =>
  expect(evaluated(copyWith("functions/fold.ts", "const handler", "const handle"))).rejects.toThrow(
    "functions/fold.handler: functions/fold has no export handler",
  ))

test.concurrent("an import that leads nowhere", () =>
  expect(
    evaluated(copyWith("functions/close.ts", "#platform/close-worker.ts", "#platform/close-walker.ts")),
  ).rejects.toThrow("close-walker.ts"))

test.concurrent("a secret that is not set; one's own stage does without", async () => {
  await expect(synth({ stage: "staging" })).rejects.toThrow(
    "Set a value for OperatorToken with `sst secret set OperatorToken <value>`",
  )
  expect(broken(await synth({ stage: "jo" }))).toEqual({})
})

test.concurrent.each(["", "a.b", "my_stage", "x/../y", "pro duction"])("a stage that SST would not take: %j", (stage) =>
  expect(synth({ stage })).rejects.toThrow(`and not "${stage}"`),
)

test.concurrent.each([
  ["OCTANT_DOMAIN", "https://octant.example/", "octant.example"],
  ["OCTANT_REDIS_URL", "tidy-crab.upstash.io", "https://eu1-tidy-crab-1.upstash.io"],
  ["OCTANT_SENDER_DOMAIN", "post@octant.example", "mail.octant.example"],
  ["OCTANT_ALARM_EMAIL", "octant.example", "operators@octant.example"],
  ["OTEL_EXPORTER_OTLP_ENDPOINT", "traces.octant.example:4318", "https://traces.octant.example"],
  ["OTEL_TRACES_SAMPLER_ARG", "5%", "0.05"],
])("%s that is malformed: before anything is made, and not when a function starts", (name, value, example) =>
  expect(synth({ stage: "jo", environment: { [name]: value } })).rejects.toThrow(
    new SynthFailed(`${name}: it is malformed; for example ${example}`),
  ),
)

test.concurrent("a variable that functions ask for and nobody gives them", async () => {
  const copy = copyWith(
    "packages/platform/config.ts",
    "  AWS_REGION:",
    '  OCTANT_BUCKET: text("files"),\n  AWS_REGION:',
  )
  const complaints = await startingComplaints(await evaluated(copy))
  expect(complaints).toHaveLength(Object.keys(functions).length)
  expect(complaints[0]).toContain("ApiFunction does not start: Error: OCTANT_BUCKET")
})

test.concurrent("a variable that functions are given and never look at", async () => {
  const copy = copyWith(
    "stacks/settings.ts",
    "  OCTANT_TABLE: table.name,",
    '  OCTANT_TABLE: table.name,\n  OCTANT_COLOUR: "blue",',
  )
  const plan = await evaluated(copy)
  expect(await startingComplaints(plan)).toContain("FoldFunction has OCTANT_COLOUR and never looks at it")
  expect(broken(plan)["each function is told what the topology says, and no more"]).toHaveLength(
    Object.keys(functions).length,
  )
})

test.concurrent("a link, which grants everything", async () => {
  const copy = copyWith(
    "stacks/function.ts",
    "link: secrets.map(({ secret }) => secret)",
    "link: [table, queues.append.live]",
  )
  expect(broken(await evaluated(copy))["no role has a wildcard among its actions"]).toEqual(
    expect.arrayContaining(["FoldRole: dynamodb:*", "FoldRole: sqs:*"]),
  )
})

test.concurrent("a function that takes longer, without its queue being told", async () => {
  const copy = copyWith("packages/platform/topology.ts", "visibilitySeconds: 5400", "visibilitySeconds: 2700")
  expect(broken(await evaluated(copy))["a message stays hidden for six times as long as a function may take"]).toEqual([
    "FoldRequestsQueue: 2700 s, and the function may take 900 s",
  ])
})

test.concurrent("a door that has taken in the whole of zod, or Amazon's client", async () => {
  const rule = "collect carries nothing that it does not need"
  const zod = copyWith(
    "functions/collect.ts",
    "export const",
    'import { z } from "zod"\nexport const any = z.string()\nexport const',
  )
  expect(broken(await evaluated(zod))[rule]?.[0]).toContain("the whole of zod")
  const client = copyWith(
    "functions/collect.ts",
    "export const",
    'export { SQSClient } from "@aws-sdk/client-sqs"\nexport const',
  )
  expect(broken(await evaluated(client))[rule]?.[0]).toContain("the AWS SDK")
})
