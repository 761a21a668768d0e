import { readFileSync } from "node:fs"
import { type Command, InvalidArgumentError } from "commander"
import type { MadeSource, Shown, Source } from "#access/source.ts"
import type { Tried } from "#access/trial.ts"
import type { Kept } from "#pipeline/deliveries.ts"
import type { healthOf } from "#pipeline/health.ts"
import { type listVendors, VendorId, VendorName } from "#sources/registry.ts"
import { ask, type Request, type Target, targetOf } from "./api.ts"
import { jsonOption, onApi, type Remote, whole } from "./options.ts"
import { countOf, grouped, plain, show, table } from "./print.ts"
import type { Terminal } from "./terminal.ts"

type Health = Awaited<ReturnType<typeof healthOf>>
type Credentials = { secret?: string; credential?: string }
type Making = Remote &
  Credentials & { vendor: string; name: string; account?: string; baseUrl?: string; config?: string }
type Changing = Remote & Pick<Credentials, "credential"> & { name?: string; baseUrl?: string; poll?: false }
type Page = { deliveries: Kept[]; next?: string }

const PAGE = 200
const pathOf = (id: string) => `/v1/sources/${encodeURIComponent(id)}`

export function addSources(program: Command, terminal: Terminal) {
  const group = program.command("sources").description("where vendors' webhooks come in, and how each is doing")
  const about = { group, terminal }
  addLists(about)
  addMaking(about)
  addTurns(about)
  addDeliveries(about)
}

type About = { group: Command; terminal: Terminal }

function addLists({ group, terminal }: About) {
  onApi(group.command("vendors"))
    .description("whom a source can be made for, and what each needs")
    .action(async (options: Remote) => {
      const answer = await ask<{ vendors: ReturnType<typeof listVendors> }>(read(options, terminal), "/v1/vendors")
      const rows = answer.vendors.map(({ id, name, secretFrom, polls, docs }) => [
        id,
        name,
        secretFrom === "us" ? "made by Octant" : "pasted from the vendor",
        polls ? "with --credential" : "",
        docs,
      ])
      show(terminal, options.json, answer, () => table(["vendor", "name", "secret", "back-poll", "see"], rows))
    })
  onApi(group.command("list"))
    .description("all sources of a tenant")
    .action(async (options: Remote) => {
      const answer = await ask<{ sources: Source[] }>(read(options, terminal), "/v1/sources")
      const rows = answer.sources.map((source) => [source.id, source.vendor, source.name, stateOf(source), source.url])
      show(terminal, options.json, answer, () =>
        rows.length === 0 ? "there are no sources yet\n" : table(["id", "vendor", "name", "state", "url"], rows),
      )
    })
  onApi(group.command("show <id>"))
    .description("one source: what came last, its error rate, its lag, its back-poll")
    .action(async (id: string, options: Remote) => {
      const source = await ask<Source & Health>(read(options, terminal), pathOf(id))
      show(terminal, options.json, source, () => textOf(source))
    })
}

function addMaking({ group, terminal }: About) {
  onApi(group.command("create"))
    .description("make a source; the answer is where the vendor has to send to")
    .requiredOption("--vendor <vendor>", `whose webhooks: ${VendorId.options.join(", ")}`, vendorNamed)
    .requiredOption("--name <name>", "as people call it")
    .option("--secret <secret>", `what the vendor signs with ${BETTER_SECRET}`)
    .option("--credential <credential>", `for the vendor's own API, to find what never came ${BETTER_CREDENTIAL}`)
    .option("--base-url <url>", "where that API is, if every account has its own place")
    .option("--account <name>", "which account, where two of the same vendor would share their ids")
    .option("--config <json>", "how to read a generic source: JSON, or @ and a file that holds it")
    .addHelpText("after", CREATE_HELP)
    .action(async (options: Making) => {
      const { vendor, name, baseUrl, account, config } = options
      const { secret, credential } = withSecrets(options, terminal)
      const body = {
        ...{ vendor, name, secret, credential, baseUrl, account },
        ...(config === undefined ? {} : { config: configIn(config) }),
      }
      const made = await ask<MadeSource>(admin(options, terminal), "/v1/sources", { method: "POST", body })
      show(terminal, options.json, made, () => `${made.id}\n${made.url}\n${made.secret ?? ""}`.trimEnd().concat("\n"))
      const keep = made.secret === null ? "" : "; keep the secret now, it is not shown again"
      const next = made.next === undefined ? "" : `${made.next} (octant sources rotate)\n`
      terminal.err(`source ${made.id}: have ${made.vendor} send to its URL${keep}\n${next}`)
    })
  onApi(group.command("change <id>"))
    .description("another name, or another credential for the vendor's API")
    .option("--name <name>", "as people call it")
    .option("--credential <credential>", `for the vendor's own API ${BETTER_CREDENTIAL}`)
    .option("--base-url <url>", "where that API is")
    .option("--no-poll", "forget the credential: nothing is polled any more")
    .action(async (id: string, options: Changing) => {
      const { name, baseUrl, poll } = options
      const credential = poll === false ? null : withSecrets(options, terminal).credential
      await patch(id, { name, baseUrl, credential }, options, terminal)
    })
  onApi(group.command("rotate <id>"))
    .description("a new secret; the one before it holds for another day")
    .option("--secret <secret>", `the vendor's new one, where the vendor makes it ${BETTER_SECRET}`)
    .option("--end-old", "the old one ends at once, as when somebody has seen it")
    .action(async (id: string, options: Remote & Credentials & { endOld?: true }) => {
      const body = { secret: withSecrets(options, terminal).secret, keepOld: options.endOld !== true }
      const source = await ask<Shown>(admin(options, terminal), `${pathOf(id)}/rotate`, { method: "POST", body })
      show(terminal, options.json, source, () => (source.secret === undefined ? "" : `${source.secret}\n`))
      const old = source.oldSecretUntil === undefined ? "has ended" : `holds until ${source.oldSecretUntil}`
      terminal.err(`the secret of ${id} is another; the one before it ${old}\n`)
    })
}

function addTurns({ group, terminal }: About) {
  onApi(group.command("test <id>"))
    .description("send the vendor's signed sample through the real door; it counts as Source Tried and nothing else")
    .action(async (id: string, options: Remote) => {
      const tried = await ask<Tried>(admin(options, terminal), `${pathOf(id)}/test`, { method: "POST" })
      const { ok, status, ms, detail } = tried
      show(terminal, options.json, tried, () => `${ok ? "taken" : "refused"} with ${status} in ${ms} ms\n`)
      if (!ok) throw new Error(detail ?? `the door answered ${status}`)
    })
  const turns = [
    ["pause", true, "refuse everything for now: vendors try again later, and nothing is polled"],
    ["resume", false, "take webhooks again, and poll again"],
  ] as const
  for (const [name, paused, description] of turns) {
    onApi(group.command(`${name} <id>`))
      .description(description)
      .action((id: string, options: Remote) => patch(id, { paused }, options, terminal))
  }
  onApi(group.command("delete <id>"))
    .description("end a source at once; what it brought stays")
    .action(async (id: string, options: Remote) => {
      const source = await ask<Source>(admin(options, terminal), pathOf(id), { method: "DELETE" })
      show(terminal, options.json, source, () => `the source ${source.id} (${plain(source.name)}) is gone\n`)
    })
}

function addDeliveries({ group, terminal }: About) {
  onApi(group.command("deliveries <id>"))
    .description("webhooks as they came in, the newest first; they are kept for 30 days")
    .option("--limit <count>", "how many", whole(1, 100_000), 50)
    .action(async (id: string, options: Remote & { limit: number }) => {
      const page = await deliveriesOf(read(options, terminal), id, options.limit)
      const rows = page.deliveries.map((one) => [
        one.id,
        one.receivedAt,
        one.outcome,
        String(one.messages),
        String(one.bytes),
        one.deliveryId,
      ])
      const more = page.next === undefined ? "" : "… there are more: --limit\n"
      show(terminal, options.json, page, () =>
        rows.length === 0
          ? "nothing has come in yet\n"
          : table(["id", "received", "outcome", ">events", ">bytes", "the vendor's id"], rows) + more,
      )
    })
  onApi(group.command("delivery <id> <delivery>"))
    .description("one webhook with its headers and its body")
    .action(async (id: string, delivery: string, options: Remote) => {
      const path = `${pathOf(id)}/deliveries/${encodeURIComponent(delivery)}`
      const kept = await ask<Opened>(admin(options, terminal), path)
      show(terminal, options.json, kept, () => textOfDelivery(kept))
    })
  onApi(group.command("replay <id> <delivery>"))
    .description("read a kept webhook once more; what was counted counts nothing now")
    .action(async (id: string, delivery: string, options: Remote) => {
      const path = `${pathOf(id)}/deliveries/${encodeURIComponent(delivery)}/replay`
      const taken = await ask<Replayed>(admin(options, terminal), path, { method: "POST" })
      show(terminal, options.json, taken, () => `${taken.outcome}: ${countOf(taken.accepted, "event")} accepted\n`)
    })
}

type Opened = Kept & {
  method: string
  url: string
  headers: Record<string, string>
  body?: string
  bodyBase64?: string
}
type Replayed = { outcome: string; accepted: number }

const read = (options: Remote, terminal: Terminal) => targetOf(options, terminal, "read")
const admin = (options: Remote, terminal: Terminal) => targetOf(options, terminal, "admin")

async function patch(id: string, body: Request["body"], options: Remote, terminal: Terminal) {
  const source = await ask<Source>(admin(options, terminal), pathOf(id), { method: "PATCH", body })
  show(terminal, options.json, source, () => `${source.id} (${plain(source.name)}) is ${stateOf(source)}\n`)
}

async function deliveriesOf(target: Target, id: string, most: number): Promise<Page> {
  const deliveries: Kept[] = []
  for (let after: string | undefined; ; ) {
    const limit = Math.min(PAGE, most - deliveries.length)
    const page = await ask<Page>(target, `${pathOf(id)}/deliveries`, { parameters: { limit, after } })
    deliveries.push(...page.deliveries)
    if (page.next === undefined || deliveries.length >= most) return { ...page, deliveries }
    after = page.next
  }
}

/** Secrets come from the environment unless they were given: others on this machine see arguments. */
function withSecrets({ secret, credential }: Credentials, { env }: Terminal): Credentials {
  const [known, token] = [secret ?? env.OCTANT_SOURCE_SECRET, credential ?? env.OCTANT_SOURCE_CREDENTIAL]
  return { ...(known === undefined ? {} : { secret: known }), ...(token === undefined ? {} : { credential: token }) }
}

function vendorNamed(name: string): VendorId {
  const { success, data } = VendorName.safeParse(name)
  if (!success) throw new InvalidArgumentError(`It is one of ${VendorId.options.join(", ")}.`)
  return data
}

const configIn = (text: string) =>
  jsonOption("--config", text.startsWith("@") ? readFileSync(text.slice(1), "utf8") : text, '{"event":"/type", …}')

const stateOf = ({ paused, hasSecret, poll }: Source) =>
  [paused ? "paused" : "on", ...(hasSecret ? [] : ["without a secret"]), ...(poll ? [pollState(poll)] : [])].join(", ")
const pollState = ({ error }: NonNullable<Source["poll"]>) => (error === undefined ? "polled" : "poll fails")

function textOf(source: Source & Health) {
  const { last24Hours: day, errorRate, lastRefusal, lagSeconds, poll, lastReceivedAt, oldSecretUntil } = source
  const records = `${grouped(day.received)} received = ${grouped(day.counted)} counted + ${grouped(day.duplicate)} duplicate + ${grouped(day.rejected)} rejected + ${grouped(day.quarantined)} quarantined`
  const rows = [
    ["id", source.id],
    ["vendor", source.vendor],
    ["name", source.name],
    ["url", source.url],
    ["state", stateOf(source)],
    ["last received", lastReceivedAt ?? "never"],
    ["last 24 hours", records],
    ["refused", `${grouped(day.refused)} (${(errorRate * 100).toFixed(1)} %)`],
    ...refusalsIn(lastRefusal),
    ...(lagSeconds === undefined ? [] : [["lag (median)", `${lagSeconds} s`]]),
    ...(oldSecretUntil === undefined ? [] : [["old secret until", oldSecretUntil]]),
    ...(poll ? [["back-poll", `${poll.baseUrl}, ${poll.error ?? `last ${poll.at ?? "never"}`}`]] : []),
  ]
  return table(["", ""], rows).slice(1)
}

/** The last refusal, and for each other reason when it last was one. */
function refusalsIn(lastRefusal: Health["lastRefusal"]) {
  if (lastRefusal === undefined) return []
  const others = Object.entries(lastRefusal.last)
    .filter(([code]) => code !== lastRefusal.code)
    .toSorted(([, a], [, b]) => (a < b ? 1 : -1))
  return [
    ["last refusal", `${lastRefusal.at} ${lastRefusal.code}`],
    ...others.map(([code, at]) => ["and before", `${at} ${code}`]),
  ]
}

function textOfDelivery({ method, url, headers, body, bodyBase64 }: Opened) {
  const lines = Object.entries(headers).map(([name, value]) => plain(`${name}: ${value}`))
  const content = body === undefined ? (bodyBase64 ?? "") : body.split("\n").map(plain).join("\n")
  return `${plain(`${method} ${url}`)}\n${lines.join("\n")}\n\n${content}\n`
}

const BETTER_SECRET = "(better in OCTANT_SOURCE_SECRET: others on this machine see arguments)"
const BETTER_CREDENTIAL = "(better in OCTANT_SOURCE_CREDENTIAL)"
const CREATE_HELP = `
Three lines come out: the id, the URL that the vendor has to send to, and the secret (none where it has to be pasted).

  octant sources create --vendor stripe --name Payments          then paste its whsec_… with octant sources rotate
  octant sources create --vendor shopify --name Shop --base-url https://acme.myshopify.com
  octant sources create --vendor generic --name Billing --config '{"signature":{"kind":"bearer"},"event":"/type","messageId":"/id"}'

octant sources vendors lists who makes the secret and whose lists can be polled. octant sources test <id> tries the door.`
