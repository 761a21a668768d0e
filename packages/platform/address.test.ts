import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { complaintAbout, isLoopback, isPublic } from "./address.ts"

const forbidden = [
  "0.0.0.0",
  "10.0.0.1",
  "10.255.255.255",
  "100.64.0.1",
  "100.127.255.255",
  "127.0.0.1",
  "127.255.255.254",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.170",
  "192.0.2.1",
  "192.88.99.1",
  "192.168.1.1",
  "198.18.0.1",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::127.0.0.1",
  "::ffff:127.0.0.1",
  "::ffff:8.8.8.8",
  "::ffff:a9fe:a9fe",
  "64:ff9b::7f00:1",
  "64:ff9b:1::1",
  "100::1",
  "2001::1",
  "2001:db8::1",
  "2002:7f00:1::",
  "3fff::1",
  "5f00::1",
  "fc00::1",
  "fd00:ec2::254",
  "fe80::1",
  "fe80::1%eth0",
  "fec0::1",
  "ff02::1",
  "localhost",
  "",
  "8.8.8.8.8",
]
const open = ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255"]
const openSix = ["172.32.0.0", "192.167.255.255", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1"]

test.each(forbidden)("%s is no address of the internet", (address) => expect(isPublic(address)).toBe(false))
test.each([...open, ...openSix])("%s is one", (address) => expect(isPublic(address)).toBe(true))

test("an IPv4 address is as public as its numbers say, and never when it is written as an IPv6 address", () => {
  const isSpecial = ([a, b]: readonly number[]) =>
    a === 0 ||
    a === 10 ||
    a === 127 ||
    a! >= 224 ||
    (a === 100 && b! >= 64 && b! < 128) ||
    (a === 169 && b === 254) ||
    (a === 172 && b! >= 16 && b! < 32) ||
    (a === 192 && [0, 88, 168].includes(b!)) ||
    (a === 198 && [18, 19, 51].includes(b!)) ||
    (a === 203 && b === 0)
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const bytes = address.split(".").map(Number)
      if (!isSpecial(bytes)) expect(isPublic(address)).toBe(true)
      expect([isPublic(`::ffff:${address}`), isPublic(`::${address}`), isPublic(`64:ff9b::${address}`)]).toEqual([
        false,
        false,
        false,
      ])
    }),
  )
})

test("loopback is what it is in both families", () => {
  expect(["127.0.0.1", "127.9.9.9", "::1", "10.0.0.1", "::2", "localhost"].map(isLoopback)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ])
})

describe("a URL to send to", () => {
  test.each([
    ["https://hooks.example.com/octant", undefined],
    ["https://hooks.example.com:8443/octant?x=1", undefined],
    ["https://8.8.8.8/", undefined],
    ["https://[2606:4700::1111]/", undefined],
    ["http://hooks.example.com/", "must begin with https://"],
    ["ftp://hooks.example.com/", "must begin with https://"],
    ["https://user:secret@hooks.example.com/", "must not hold a user or a password"],
    ["https://localhost/", "must be an address that the internet reaches"],
    ["https://localhost./", "must be an address that the internet reaches"],
    ["https://db.internal/", "must be an address that the internet reaches"],
    ["https://printer.local/", "must be an address that the internet reaches"],
    ["https://127.0.0.1/", "must be an address that the internet reaches"],
    ["https://127.1/", "must be an address that the internet reaches"],
    ["https://2130706433/", "must be an address that the internet reaches"],
    ["https://0x7f.0.0.1/", "must be an address that the internet reaches"],
    ["https://0177.0.0.1/", "must be an address that the internet reaches"],
    ["https://169.254.169.254/latest/meta-data", "must be an address that the internet reaches"],
    ["https://[::1]/", "must be an address that the internet reaches"],
    ["https://[::ffff:169.254.169.254]/", "must be an address that the internet reaches"],
    ["https://[fd00:ec2::254]/", "must be an address that the internet reaches"],
    ["nothing", "is not a URL"],
  ])("%s: %s", (url, complaint) => expect(complaintAbout(url, false)).toBe(complaint))

  test("may be on this machine where everything is", () => {
    for (const url of ["http://127.0.0.1:8080/", "http://localhost:8080/", "http://[::1]:8080/"])
      expect(complaintAbout(url, true)).toBeUndefined()
    expect(complaintAbout("http://10.0.0.1/", true)).toBe("must begin with https://")
    expect(complaintAbout("https://10.0.0.1/", true)).toBe("must be an address that the internet reaches")
  })
})
