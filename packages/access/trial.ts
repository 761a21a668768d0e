import { Fault } from "#core/fault.ts"
import { TRIAL_HEADER } from "#pipeline/receive.ts"
import type { Delivery } from "#sources/source.ts"
import { announced } from "#store/audit.ts"
import type { TenantId } from "#store/keys.ts"
import { openHook } from "./hook.ts"
import { hookUrl, type SourceNeeds } from "./source.ts"

export type Tried = { ok: boolean; status: number; ms: number; detail?: string }

/**
 * Sends the vendor's signed sample through the real door, over the network as the vendor would. It goes all the way,
 * but is counted as an event `Source Tried` and as nothing else: no sample may move another figure.
 */
export async function trySource(
  needs: SourceNeeds & { fetch: typeof fetch },
  tenant: TenantId,
  id: string,
): Promise<Tried> {
  const { vendor, secrets, paused } = await openHook(needs, tenant, id)
  if (paused) throw new Fault("conflict", "this source is paused: resume it first")
  const [secret] = secrets
  if (secret === undefined) throw new Fault("conflict", "this source has no secret yet: set it by a rotation")
  const [now, url] = [needs.clock(), hookUrl(needs.hooksUrl(), id)]
  const sample = vendor.sample(secret, now, url)
  const delivery: Delivery = { ...sample, url, receivedAt: now }
  if ((await vendor.verify(delivery, secrets, { fetchText })) !== "genuine") {
    throw new Fault("conflict", `only ${vendor.name} can sign a sample of its own: send one from there`)
  }
  return announced(needs, tenant, { action: "source.test", subject: id }, () => knock(needs, url, sample))
}

async function knock(
  needs: Pick<SourceNeeds, "clock"> & { fetch: typeof fetch },
  url: string,
  { method, headers, body }: Pick<Delivery, "method" | "headers" | "body">,
): Promise<Tried> {
  const started = needs.clock()
  try {
    const sent = { method, headers: { ...headers, [TRIAL_HEADER]: "1" }, body: Uint8Array.from(body) }
    const answer = await needs.fetch(url, { ...sent, redirect: "error" })
    const ms = needs.clock() - started
    if (answer.status === 200) return { ok: true, status: 200, ms }
    const { detail } = (await answer.json()) as { detail?: string }
    return { ok: false, status: answer.status, ms, ...(detail === undefined ? {} : { detail }) }
  } catch (cause) {
    throw new Fault("unavailable", `nobody answers at ${url}`, { cause })
  }
}

/** No sample of ours names a certificate. */
const fetchText = () => Promise.reject(new Error("a sample needs nothing from elsewhere"))
