import { rootCertificates } from "node:tls"
import { expect, test } from "vitest"
import { Fault } from "#core/fault.ts"
import { type Issue, keyAt } from "./certificate.ts"
import { NOW, signer } from "./fixtures.ts"

const issue: Issue = { allows: ({ hostname }) => hostname === "vendor.example", names: () => ["sns.amazonaws.com"] }
const at = (pem: string, names = issue.names(new URL("https://a")), now = NOW) =>
  keyAt("https://vendor.example/cert.pem", { ...issue, names: () => names }, () => Promise.resolve(pem), now)

const { certificate, authority } = signer

test("a certificate by itself or with its issuer's gives its key", async () => {
  expect(await at(certificate)).toMatchObject({ type: "public", asymmetricKeyType: "rsa" })
  expect(await at(certificate + authority)).toMatchObject({ type: "public" })
})

test.each([
  ["nothing", ""],
  ["a page", "<html>not found</html>"],
  ["a broken certificate", certificate.replace("MIIC", "MIID")],
  ["more than a certificate can be", certificate + " ".repeat(65_536)],
  ["an authority's own", authority],
  ["one signed by itself", signer.selfSigned],
  ["one for any name", signer.wildcard],
  ["somebody else's issuer behind it", certificate + rootCertificates[0]],
  ["the chain the wrong way round", authority + certificate],
])("a URL with %s gives none", async (_, pem) => {
  expect(await at(pem)).toMatchObject({ code: "bad_certificate" })
})

test("a certificate of another name, before or after its time gives none", async () => {
  const refused = { code: "bad_certificate" }
  expect(await at(certificate, ["sns.us-east-1.amazonaws.com"])).toMatchObject(refused)
  expect(await at(certificate, ["amazonaws.com", "*.amazonaws.com"])).toMatchObject(refused)
  expect(await at(certificate, undefined, Date.parse("2026-11-20T00:00:00Z"))).toMatchObject(refused)
  expect(await at(certificate, undefined, Date.parse("2126-12-01T00:00:00Z"))).toMatchObject(refused)
})

test.each([
  "http://vendor.example/cert.pem",
  "https://vendor.example:8443/cert.pem",
  "https://user@vendor.example/cert.pem",
  "https://vendor.example.evil.example/cert.pem",
  "file:///etc/passwd",
  "//vendor.example/cert.pem",
  "",
])("nothing is fetched from %j", async (url) => {
  const fetched: string[] = []
  const fetchText = (one: string) => Promise.resolve(String(fetched.push(one)))
  expect(await keyAt(url, issue, fetchText, NOW)).toMatchObject({ code: "bad_certificate" })
  expect(fetched).toEqual([])
})

test("a URL of the vendor's at which the vendor has nothing gives none; one that cannot be asked now is our trouble", async () => {
  const url = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem"
  const everywhere: Issue = { allows: () => true, names: () => [] }
  const failing = (code: "not_found" | "unavailable") =>
    keyAt(url, everywhere, () => Promise.reject(new Fault(code, "no")), NOW)
  expect(await failing("not_found")).toMatchObject({ code: "bad_certificate" })
  await expect(failing("unavailable")).rejects.toMatchObject({ code: "unavailable" })
})
