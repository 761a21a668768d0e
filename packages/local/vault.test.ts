import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { fakeClock, HOUR } from "#core/clock.ts"
import { systemRandom } from "#core/random.ts"
import { decrypt, encrypt, KEY_BYTES } from "#core/seal.ts"
import { awsClient } from "#platform/aws.ts"
import { readConfig } from "#platform/config.ts"
import { runtimeOf } from "#platform/runtime.ts"
import { kmsVault } from "#platform/vault.ts"
import type { TenantId } from "#store/keys.ts"
import { openText, sealText } from "#store/vault.ts"
import { localVault, vaultKeyFile } from "./vault.ts"

const dir = mkdtempSync(join(tmpdir(), "octant-vault-"))
const clock = fakeClock("2027-01-15T12:00:00.000Z")
const KEY_ID = "alias/octant"

/** KMS, as far as we use it: data keys under a key that never leaves it, bound to their context. */
const master = systemRandom(KEY_BYTES)
const asked: { action: string; body: Record<string, unknown>; headers: Record<string, unknown> }[] = []
let refuses: string | undefined
const kms = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string>
    const action = String(request.headers["x-amz-target"])
    asked.push({ action, body, headers: request.headers })
    const answer = (status: number, value: object) => {
      response.writeHead(status, { "content-type": "application/x-amz-json-1.1" })
      response.end(JSON.stringify(value))
    }
    if (refuses) return answer(400, { __type: refuses, message: "no" })
    const about = JSON.stringify(body.EncryptionContext)
    if (action === "TrentService.GenerateDataKey") {
      const key = systemRandom(KEY_BYTES)
      const CiphertextBlob = encrypt(systemRandom, master, about, key).toString("base64")
      return answer(200, { KeyId: body.KeyId, Plaintext: Buffer.from(key).toString("base64"), CiphertextBlob })
    }
    try {
      const key = decrypt(master, about, Buffer.from(body.CiphertextBlob!, "base64"))
      return answer(200, { KeyId: body.KeyId, Plaintext: key.toString("base64") })
    } catch {
      return answer(400, { __type: "InvalidCiphertextException" })
    }
  })
})
let url = ""
const call = (region = "eu-central-1") =>
  awsClient({
    region,
    credentials: () => ({ accessKeyId: "AKID", secretAccessKey: "secret" }),
    endpoints: { kms: url },
    random: () => 0,
    sleep: async () => {},
  })

beforeAll(async () => {
  await new Promise<void>((resolve) => kms.listen(0, "127.0.0.1", resolve))
  url = `http://127.0.0.1:${(kms.address() as AddressInfo).port}`
})
afterAll(() => {
  kms.close()
  kms.closeAllConnections()
  rmSync(dir, { recursive: true, force: true })
})
beforeEach(() => {
  asked.length = 0
  refuses = undefined
})

const acme = { tenant: "acme" as TenantId, purpose: "secret:src_1" }

describe.each([
  ["under KMS", () => kmsVault({ call: call(), clock, random: systemRandom }, KEY_ID)],
  ["under a key file", () => localVault(dir)],
])("a vault %s", (_, make) => {
  test.each([
    ["nothing", Buffer.alloc(0)],
    ["a word", Buffer.from("whsec_Ω")],
    ["1 MB", Buffer.from(systemRandom(1024 * 1024))],
  ])("gives back %s as it was, in another process too", async (_name, content) => {
    const sealed = await make().seal(acme, content)
    expect(Buffer.from(await make().open(acme, sealed)).equals(content)).toBe(true)
  })

  test("shows nothing of what is sealed, and the same never alike", async () => {
    const vault = make()
    const [one, two] = [await sealText(vault, acme, "whsec_secret"), await sealText(vault, acme, "whsec_secret")]
    expect(Buffer.from(one).toString("latin1")).not.toContain("whsec")
    expect(Buffer.from(one).equals(Buffer.from(two))).toBe(false)
    expect(await openText(vault, acme, two)).toBe("whsec_secret")
  })

  test.each([
    ["another tenant", { ...acme, tenant: "globex" as TenantId }],
    ["another purpose", { ...acme, purpose: "secret:src_2" }],
    [
      "a tenant and a purpose that read the same when joined",
      { tenant: "acme\u001fsecret:src_1" as TenantId, purpose: "" },
    ],
  ])("does not open for %s, whether it knows the key or not", async (_name, other) => {
    const vault = make()
    const sealed = await sealText(vault, acme, "x")
    await vault.open(acme, sealed)
    await expect(vault.open(other, sealed)).rejects.toThrow()
    await expect(make().open(other, sealed)).rejects.toThrow()
    expect(await openText(vault, acme, sealed)).toBe("x")
  })

  test("opens nothing of which a bit is another, or the end is missing", async () => {
    const vault = make()
    const sealed = Buffer.from(await sealText(vault, acme, "a secret"))
    for (let at = 0; at < sealed.length; at++) {
      const altered = Buffer.from(sealed)
      altered[at]! ^= 1
      await expect(vault.open(acme, altered)).rejects.toThrow()
    }
    for (const length of [0, 1, 3, 20, sealed.length - 1]) {
      await expect(vault.open(acme, sealed.subarray(0, length))).rejects.toThrow()
    }
  })
})

describe("KMS", () => {
  const vaultOf = () => kmsVault({ call: call(), clock, random: systemRandom }, KEY_ID)
  const actions = () => asked.map(({ action }) => action.replace("TrentService.", ""))

  test("is asked once for each tenant's key, and once by whoever opens", async () => {
    const vault = vaultOf()
    const sealed = await Promise.all(Array.from({ length: 20 }, () => sealText(vault, acme, "x")))
    for (const one of sealed) await vault.open(acme, one)
    expect(actions()).toEqual(["GenerateDataKey"])
    const other = vaultOf()
    await Promise.all(sealed.map((one) => other.open(acme, one)))
    await sealText(vault, { ...acme, tenant: "globex" as TenantId }, "x")
    expect(actions()).toEqual(["GenerateDataKey", "Decrypt", "GenerateDataKey"])
    for (const { body } of asked)
      expect(body).toMatchObject({ KeyId: KEY_ID, EncryptionContext: { tenant: expect.any(String) } })
    expect(String(asked[0]!.headers.authorization)).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-central-1\/kms\/aws4_request/,
    )
    expect(asked[0]!.headers["content-type"]).toBe("application/x-amz-json-1.1")
  })

  test("is asked for a new key after some hours; what lies under the old one opens still", async () => {
    const vault = vaultOf()
    const sealed = await sealText(vault, acme, "x")
    clock.advance(7 * HOUR)
    await sealText(vault, acme, "y")
    expect(actions()).toEqual(["GenerateDataKey", "GenerateDataKey"])
    expect(await openText(vault, acme, sealed)).toBe("x")
  })

  test("that refuses is asked again next time", async () => {
    const [vault, reader] = [vaultOf(), vaultOf()]
    refuses = "com.amazonaws.kms#DisabledException"
    await expect(sealText(vault, acme, "x")).rejects.toMatchObject({ code: "DisabledException" })
    refuses = undefined
    const sealed = await sealText(vault, acme, "x")
    refuses = "AccessDeniedException"
    await expect(reader.open(acme, sealed)).rejects.toMatchObject({ code: "AccessDeniedException" })
    refuses = undefined
    expect(await openText(reader, acme, sealed)).toBe("x")
  })
})

describe("a key file", () => {
  test("is made once, for its owner alone", () => {
    localVault(dir)
    const file = vaultKeyFile(dir)
    const key = readFileSync(file)
    expect([key.length, statSync(file).mode & 0o777]).toEqual([KEY_BYTES, 0o600])
    localVault(dir)
    expect(readFileSync(file).equals(key)).toBe(true)
  })

  test("that is damaged is not replaced: what lies under it would be lost", () => {
    const broken = mkdtempSync(join(dir, "broken-"))
    writeFileSync(vaultKeyFile(broken), "short")
    expect(() => localVault(broken)).toThrow("must hold 32 bytes")
  })

  test("is not needed where nothing outlives the process", async () => {
    const vault = localVault()
    const sealed = await sealText(vault, acme, "x")
    expect(await openText(vault, acme, sealed)).toBe("x")
    await expect(localVault().open(acme, sealed)).rejects.toThrow()
  })
})

test("where no key is configured nothing is sealed, and the error says what is missing", async () => {
  const { vault } = runtimeOf(
    await readConfig({
      OCTANT_TABLE: "octant",
      OCTANT_APPEND_QUEUE_URL: "http://127.0.0.1/append",
      OCTANT_FOLD_QUEUE_URL: "http://127.0.0.1/fold",
      AWS_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "AKID",
      AWS_SECRET_ACCESS_KEY: "secret",
    }),
  )
  await expect(vault.seal(acme, Buffer.alloc(1))).rejects.toThrow("OCTANT_KMS_KEY_ID is needed")
  await expect(vault.open(acme, Buffer.alloc(1))).rejects.toThrow("OCTANT_KMS_KEY_ID is needed")
})
