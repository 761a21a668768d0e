import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { parse } from "yaml"
import * as z from "zod/mini"
import { createKey, NewKey } from "#access/key.ts"
import { seededRandom } from "#core/random.ts"
import { operatorToken } from "#local/home.ts"
import type { Table } from "#store/table.ts"
import { TenantId } from "#store/tenant-id.ts"
import { section } from "./runbook.ts"
import { complaints, linted } from "./workflows.ts"

const folder = ".github/workflows"
const files = readdirSync(folder)
const textOf = (file: string) => readFileSync(join(folder, file), "utf8")

test("the workflows are these, and actionlint finds nothing in them", () => {
  expect(files.sort()).toEqual(["check.yml", "deploy.yml", "preview.yml", "rollback.yml", "security.yml"])
  expect(linted(`${folder}/*.yml`)).toBe("")
})

test.each(files)(
  "%s: everything is pinned, limited in time and in what it may do, and what it calls is there",
  (file) => expect(complaints(textOf(file))).toEqual([]),
)

test("whoever may change something outside is known by name", () => {
  type Jobs = { jobs: Record<string, { permissions: Record<string, string> }> }
  const may = files.flatMap((file) =>
    Object.entries((parse(textOf(file)) as Jobs).jobs).flatMap(([job, { permissions }]) =>
      Object.entries(permissions).flatMap(([what, how]) => (how === "write" ? [`${file} ${job}: ${what}`] : [])),
    ),
  )
  expect(may.sort()).toEqual([
    "deploy.yml bill-of-materials: contents",
    "deploy.yml deploy: id-token",
    "preview.yml comment: pull-requests",
    "preview.yml diff: id-token",
    "rollback.yml rollback: id-token",
    "security.yml code: security-events",
  ])
})

test("the scanners may look at what they look at, in a private repository too", () => {
  type Jobs = { jobs: Record<string, { permissions: Record<string, string> }> }
  const { code, secrets } = (parse(textOf("security.yml")) as Jobs).jobs
  // CodeQL asks for its own run, gitleaks for the commits of the pull request.
  expect(code!.permissions).toEqual({ actions: "read", contents: "read", "security-events": "write" })
  expect(secrets!.permissions).toEqual({ contents: "read", "pull-requests": "read" })
})

test("whatever the stacks can be told, a deployment and its preview are told, and deploy.md tells of it", () => {
  const stacks = readdirSync("stacks").filter((file) => file.endsWith(".ts"))
  const settings = stacks.flatMap((file) =>
    [...readFileSync(join("stacks", file), "utf8").matchAll(/\bsetting\("(\w+)"\)/g)].map(([, name = ""]) => name),
  )
  expect(settings).toContain("OCTANT_REDIS_URL")
  type Jobs = { jobs: Record<string, { env?: Record<string, string> }> }
  for (const [file, job] of [
    ["deploy.yml", "deploy"],
    ["preview.yml", "diff"],
  ] as const) {
    const { STAGE: _, ...told } = (parse(textOf(file)) as Jobs).jobs[job]!.env ?? {}
    expect(told, file).toEqual(Object.fromEntries(settings.map((name) => [name, `\${{ vars.${name} }}`])))
  }
  const text = readFileSync("docs/deploy.md", "utf8")
  expect(settings.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
})

test("a preview reaches its comment: GitHub would hold all of it back for the account's number, which it masks", () => {
  type Step = { id?: string; uses?: string; run?: string; env?: Record<string, string>; with?: Record<string, unknown> }
  const { steps } = (parse(textOf("preview.yml")) as { jobs: { diff: { steps: Step[] } } }).jobs.diff
  const cloud = steps.find(({ uses }) => uses?.startsWith("aws-actions/configure-aws-credentials@"))
  const diff = steps.find(({ id }) => id === "diff")
  expect(cloud).toMatchObject({ id: "cloud", with: { "mask-aws-account-id": true } })
  expect(diff?.env).toEqual({ ACCOUNT: `\${{ steps.cloud.outputs.aws-account-id }}` })

  const here = mkdtempSync(join(tmpdir(), "octant-preview-"))
  const url = "https://sqs.eu-central-1.amazonaws.com/123456789012/octant-staging-FoldRequestsQueue"
  writeFileSync(join(here, "npx"), `#!/bin/bash\necho $'\\e[1m*\\e[0m  Fold'\necho '   * url = ${url}'\n`, {
    mode: 0o755,
  })
  const told = join(here, "output")
  const env = { PATH: `${here}:${process.env.PATH}`, ACCOUNT: "123456789012", GITHUB_OUTPUT: told }
  execFileSync("bash", ["-ec", diff!.run!], { cwd: here, env })
  const [begin = "", ...lines] = readFileSync(told, "utf8").trimEnd().split("\n")
  rmSync(here, { recursive: true })
  expect(begin).toMatch(/^diff<<end-[0-9a-f]{32}$/)
  expect(lines).toEqual(["*  Fold", `   * url = ${url.replace("123456789012", "ACCOUNT")}`, "", begin.slice(6)])
})

describe("production takes deployments from tags only, and asks for a reviewer", () => {
  const Dispatched = z.object({
    on: z.object({
      workflow_dispatch: z.optional(
        z.object({
          inputs: z.record(
            z.string(),
            z.object({ required: z.optional(z.boolean()), options: z.optional(z.array(z.string())) }),
          ),
        }),
      ),
    }),
  })
  const byHand = files.flatMap((file) => {
    const { inputs } = Dispatched.parse(parse(textOf(file))).on.workflow_dispatch ?? {}
    return inputs?.stage?.options?.includes("production") ? [[file, inputs] as const] : []
  })
  const deploying = readFileSync("docs/deploy.md", "utf8")
  const told = [deploying, section("## Going back")].flatMap((text) => text.match(/gh workflow run [^`\n]+/g) ?? [])

  test.each(byHand)("%s is started there from a tag, with all that it asks for", (file, inputs) => {
    const commands = told.filter((command) => command.startsWith(`gh workflow run ${file} `))
    expect(commands.length).toBeGreaterThan(0)
    for (const command of commands) {
      expect(command).toMatch(/ --ref (TAG|"\$\(gh release view --json tagName --jq \.tagName\)") /)
      const given = [...command.matchAll(/ -f (\w+)=(\S+)/g)].map(([, name = "", value = ""]) => [name, value] as const)
      expect(given).toContainEqual(["stage", "production"])
      expect(given.filter(([name]) => !(name in inputs))).toEqual([])
      const asked = Object.keys(inputs).filter((name) => inputs[name]!.required)
      expect(asked.filter((name) => !given.some(([one]) => one === name))).toEqual([])
    }
  })

  test("there are two of them, and no other trust than that of the environment", () => {
    expect(byHand.map(([file]) => file)).toEqual(["deploy.yml", "rollback.yml"])
    type Jobs = { jobs: Record<string, { environment?: string }> }
    expect((parse(textOf("rollback.yml")) as Jobs).jobs.rollback!.environment).toBe(`\${{ inputs.stage }}`)
  })

  test("at night whoever is on call goes back alone: both documents say so", () => {
    expect(deploying).toContain("Production takes deployments from tags only")
    expect(deploying).toContain('Whoever is on call is one of its required reviewers, and "Prevent self-review" is off')
    expect(section("## Going back")).toContain("Whoever is on call is a reviewer of production, and approves it")
    expect(section("## Going back")).toContain("`npx sst unlock --stage production`")
  })
})

test("a deployment is checked first, finds the aliases where they are, and goes back if it or its smoke test fails", () => {
  type Step = { run?: string; if?: string }
  type Jobs = { jobs: Record<"check" | "deploy", { uses?: string; needs?: string; steps: Step[] }> }
  const { check, deploy } = (parse(textOf("deploy.yml")) as Jobs).jobs
  expect([check.uses, deploy.needs]).toEqual(["./.github/workflows/check.yml", "check"])
  const said = deploy.steps.flatMap(({ run, if: only }) => (run ? [only ? `${run} | ${only}` : run] : []))
  expect(said).toEqual([
    "npm ci",
    'npx sst refresh --stage "$STAGE"',
    'npm run rollback -- --stage "$STAGE" --note "$RUNNER_TEMP/live.json"',
    'npx sst deploy --stage "$STAGE"',
    `npm run smoke -- --url "$(node -p 'require("./.sst/outputs.json").url')"`,
    'npm run rollback -- --stage "$STAGE" --to "$RUNNER_TEMP/live.json" | ' +
      "failure() && (steps.deploy.outcome == 'failure' || steps.smoke.outcome == 'failure')",
  ])
})

test("one action has one commit everywhere", () => {
  const used = files.flatMap((file) =>
    [...textOf(file).matchAll(/uses: ([\w./-]+)@([0-9a-f]{40})/g)].map(([, action = "", commit = ""]) => [
      action.split("/").slice(0, 2).join("/"),
      commit,
    ]),
  )
  const commits = Object.groupBy(used, ([action]) => action!)
  for (const [action, pairs] of Object.entries(commits))
    expect(new Set(pairs!.map(([, commit]) => commit)).size, action).toBe(1)
})

describe("a workflow is refused", () => {
  const good = textOf("deploy.yml")
  test.each([
    ["whose action is a tag", good.replace(/@3d3c\w+/, "@v7"), "actions/checkout@v7 is not pinned by its commit"],
    ["whose commit has no version", good.replace(" # v6.2.3", ""), "does not say its version"],
    ["with a job that may run for ever", good.replace("    timeout-minutes: 60\n", ""), "deploy: it has no time limit"],
    [
      "that leaves permissions open",
      good.replace("permissions: {}\n", ""),
      "a job without permissions would have some",
    ],
    ["that calls a script that is not there", good.replace("npm run smoke", "npm run smok"), "there is no script smok"],
    [
      "with a long-lived key",
      good.replace(/role-to-assume: .*/, "aws-access-key-id: AKIA"),
      "deploy: it has a long-lived key",
    ],
    ["whose role nobody guards", good.replace(/ {4}environment: .*\n/, ""), "without an environment to guard it"],
    ["whose token lies about", good.replace("persist-credentials: false", "fetch-depth: 1"), "left lying about"],
  ])("%s", (_, text, complaint) => {
    expect(text).not.toBe(good)
    expect(complaints(text).join("\n")).toContain(complaint)
  })

  const preview = textOf("preview.yml")
  test.each([
    [
      "that takes a role for a fork",
      preview.replace(/ {4}if: github\.event\.pull_request.*\n/, ""),
      "diff: a fork's code",
    ],
    ["that runs a fork's code as ours", preview.replace("pull_request:", "pull_request_target:"), "would have secrets"],
  ])("%s", (_, text, complaint) => {
    expect(text).not.toBe(preview)
    expect(complaints(text).join("\n")).toContain(complaint)
  })

  test("by actionlint, when it waits for a job that is not there or reads what does not exist", () => {
    const copy = mkdtempSync("node_modules/.workflows-")
    writeFileSync(
      join(copy, "bad.yml"),
      good.replace("needs: check", "needs: checks").replace("inputs.stage", "input.stage"),
    )
    const said = linted(`${copy}/*.yml`)
    rmSync(copy, { recursive: true })
    expect(said).toContain('needs job "checks" which does not exist')
    expect(said).toContain('undefined variable "input"')
  })
})

test("the bill of materials is CycloneDX and names what we ship, at its version", () => {
  const made = JSON.parse(
    execFileSync("npm", ["run", "--silent", "sbom"], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024, stdio: "pipe" }),
  ) as { bomFormat: string; components: { name: string; version: string; purl: string }[] }
  const { dependencies } = JSON.parse(readFileSync("package.json", "utf8")) as { dependencies: Record<string, string> }
  expect(made.bomFormat).toBe("CycloneDX")
  const known = new Set(made.components.map(({ purl }) => decodeURIComponent(purl)))
  expect(Object.entries(dependencies).filter(([name, version]) => !known.has(`pkg:npm/${name}@${version}`))).toEqual([])
})

test("a key of ours that got into the repository would be found", async () => {
  const regex = new RegExp(/^regex = '''(.*)'''$/m.exec(readFileSync(".gitleaks.toml", "utf8"))![1]!)
  const table = { get: async () => undefined, transact: async () => [] } as unknown as Table
  const needs = { table, clock: Date.now, random: seededRandom(1), nonce: () => "1" }
  for (const scope of ["write", "read", "admin"] as const) {
    const { key } = await createKey(needs, TenantId.parse("acme-eu"), NewKey.parse({ name: "a key", scope }))
    expect(`key: "${key}"`).toMatch(regex)
    expect(`key: "${key.slice(0, -1)}"`).not.toMatch(regex)
  }
  expect(operatorToken()).toMatch(regex)
})
