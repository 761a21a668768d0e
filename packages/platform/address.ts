import { BlockList, isIP } from "node:net"

/**
 * Addresses that are nobody's on the internet: IANA's special-purpose registries (RFC 6890 and what came after it), and
 * those into which an IPv4 address can be written. A tenant's URL must not reach what only we can reach.
 */
const special = new BlockList()
for (const subnet of [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
])
  add(subnet, "ipv4")
for (const subnet of ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]) add(subnet, "ipv6")

/** Whatever is given out to anybody lies here. Mapped, translated, local and multicast addresses do not. */
const unicast = new BlockList()
unicast.addSubnet("2000::", 3, "ipv6")

const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

function add(subnet: string, family: "ipv4" | "ipv6") {
  const [network, bits] = subnet.split("/") as [string, string]
  special.addSubnet(network, Number(bits), family)
}

/** Whether an address (not a name) is one that anybody can reach. */
export function isPublic(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !special.check(address, "ipv4")
  return family === 6 && unicast.check(address, "ipv6") && !special.check(address, "ipv6")
}

export const isLoopback = (address: string): boolean => {
  const family = isIP(address)
  return family !== 0 && loopback.check(address, family === 4 ? "ipv4" : "ipv6")
}

/** The host of a URL as it is connected to: an IPv6 address without its brackets. */
export const hostOf = ({ hostname }: URL) => hostname.replace(/^\[(.*)\]$/, "$1")

/** Names that never leave a network. */
const LOCAL_NAME = /(^|\.)(localhost|local|internal|lan|home\.arpa)\.?$/i

/** What is wrong with a URL as a place to send to, as far as it says itself; where its name leads is seen when it is sent to. */
export function complaintAbout(text: string, local: boolean): string | undefined {
  const url = URL.parse(text)
  if (!url) return "is not a URL"
  const host = hostOf(url)
  if (url.username || url.password) return "must not hold a user or a password"
  if (local && (isLoopback(host) || host === "localhost")) return undefined
  if (url.protocol !== "https:") return "must begin with https://"
  if (isIP(host) !== 0 ? !isPublic(host) : LOCAL_NAME.test(host)) return "must be an address that the internet reaches"
  return undefined
}
