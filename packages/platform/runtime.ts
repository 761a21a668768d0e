import type { Clock } from "#core/clock.ts"
import { once } from "#core/once.ts"
import type { FetchText } from "#sources/source.ts"
import type { Vault } from "#store/vault.ts"
import { type BaseOptions, baseOf } from "./base.ts"
import { callsOf } from "./calls.ts"
import type { Config } from "./config.ts"
import { jobSender } from "./jobs.ts"
import { tellingOf } from "./telling.ts"

type Options = BaseOptions & {
  /** For what is asked of others. */
  fetch?: typeof fetch
  vault?: Vault
  /** Where vendors send their webhooks to. */
  hooksUrl?: () => string
  /** Whether vendors' APIs may be on this machine. */
  loopback?: boolean
}

/** Everything that a function may be given: the base, and what asks others than the table and the queues. */
export function runtimeOf(config: Config, options: Options = {}) {
  const base = baseOf(config, options)
  const { call, clock, random, sleep, log, figures } = base
  const beneath = options.fetch ?? globalThis.fetch
  const fetch = outsideOf({ clock, random: base.aws.random, sleep, log, figures, fetch: beneath })
  return {
    ...base,
    queues: { ...base.queues, ...callsOf(config) },
    fetch,
    fetchText: certificatesOf({ fetch, clock }),
    vault: options.vault ?? vaultOf(config, { call, clock, random }),
    hooksUrl: options.hooksUrl ?? (() => wanted(config, "OCTANT_HOOKS_URL")),
    loopback: options.loopback === true,
    sendJob: jobSender(call, config),
    ...tellingOf(config, { call, loopback: options.loopback === true }),
    oldestSeconds: async (url: string) => (await import("./late.ts")).oldestSeconds(call, url, clock()),
  }
}
export type Runtime = ReturnType<typeof runtimeOf>

/** The guard of what is asked of others is loaded with the first question: most functions ask nobody. */
function outsideOf(needs: Parameters<typeof import("./late.ts").guardedFetch>[0]): typeof fetch {
  const guarded = once(async () => (await import("./late.ts")).guardedFetch(needs))
  return async (input, init) => (await guarded())(input, init)
}

function vaultOf(config: Config, needs: Parameters<typeof import("./late.ts").kmsVault>[0]): Vault {
  const key = config.OCTANT_KMS_KEY_ID
  const opened = once(async () => {
    if (key === undefined) throw new Error("OCTANT_KMS_KEY_ID is needed to keep secrets")
    return (await import("./late.ts")).kmsVault(needs, key)
  })
  return {
    seal: async (about, content) => (await opened()).seal(about, content),
    open: async (about, sealed) => (await opened()).open(about, sealed),
  }
}

/** The same goes for what only webhooks need. */
function certificatesOf(needs: { fetch: typeof fetch; clock: Clock }): FetchText {
  const fetcher = once(async () => (await import("./late.ts")).certificateFetcher(needs))
  return async (url) => (await fetcher())(url)
}

/** Only some functions need it, so it is asked for when it is needed. */
function wanted(config: Config, name: "OCTANT_HOOKS_URL"): string {
  const value = config[name]
  if (value === undefined) throw new Error(`${name} is needed to tell where webhooks are sent to`)
  return value
}
