import { connect, type Socket } from "node:net"

/** For tests: what a server has said on one connection by the time it closes it. */
export async function talk(url: string, say: (socket: Socket) => void) {
  const socket = connect(Number(new URL(url).port), "127.0.0.1")
  const closed = new Promise((resolve) => socket.on("close", resolve))
  let heard = ""
  socket.setEncoding("utf8").on("data", (text: string) => {
    heard += text
  })
  socket.on("error", () => {})
  say(socket)
  await closed
  return heard
}
