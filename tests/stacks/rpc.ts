import { createCipheriv } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import * as z from "zod/mini"
import { type Bundle, bundle } from "./bundle.ts"

const Call = z.object({ method: z.string(), params: z.tuple([z.unknown()]) })
const BuildInput = z.object({
  functionID: z.string(),
  handler: z.string(),
  encryptionKey: z.string(),
  links: z.record(z.string(), z.unknown()),
  properties: z.object({
    minify: z.optional(z.boolean()),
    splitting: z.optional(z.boolean()),
    banner: z.optional(z.string()),
  }),
})

export type Built = Bundle & { name: string; folder: string; links: string[] }

/**
 * What SST's CLI answers its components while they are evaluated, as far as a deployment asks: where its own buckets
 * are, and to bundle each function (which is done here, in earnest).
 */
export async function serveCli(root: string, artifacts: string): Promise<{ url: string; built: Built[] }> {
  const built: Built[] = []
  const methods: Record<string, (input: unknown) => unknown> = {
    "Provider.Aws.Bootstrap": () => ({
      version: 1,
      asset: "sst-asset",
      assetEcrRegistryId: "123456789012",
      assetEcrUrl: "123456789012.dkr.ecr.eu-central-1.amazonaws.com/sst-asset",
      state: "sst-state",
      appsyncHttp: "appsync.example",
      appsyncRealtime: "realtime.example",
    }),
    "Runtime.Build": async (input) => {
      const { functionID, handler, encryptionKey, links, properties } = BuildInput.parse(input)
      const folder = join(artifacts, functionID)
      mkdirSync(folder, { recursive: true })
      const made = await bundle(root, handler, folder, properties)
      writeFileSync(join(folder, "resource.enc"), sealed(encryptionKey, links))
      built.push({ ...made, name: functionID, folder, links: Object.keys(links) })
      return { out: folder, handler, errors: [], sourcemaps: [] }
    },
  }

  const answer = async (text: string) => {
    const { method, params } = Call.parse(JSON.parse(text))
    const known = methods[method]
    if (!known) return { error: `rpc: can't find service ${method}` }
    try {
      return { result: await known(params[0]) }
    } catch (error) {
      return { error: (error as Error).message }
    }
  }

  const server = createServer(async (request, response) => {
    let text = ""
    for await (const chunk of request) text += chunk
    response.end(JSON.stringify(await answer(text)))
  })
  // The evaluation has ended when nothing is left to wait for: this server must not be waited for.
  server.on("connection", (socket) => socket.unref())
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  server.unref()
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, built }
}

/** As the CLI seals what is linked into a function. */
function sealed(key: string, links: Record<string, unknown>) {
  const cipher = createCipheriv("aes-256-gcm", Buffer.from(key, "base64"), Buffer.alloc(12))
  return Buffer.concat([cipher.update(JSON.stringify(links)), cipher.final(), cipher.getAuthTag()])
}
