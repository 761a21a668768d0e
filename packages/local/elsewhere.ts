import { spawn } from "node:child_process"
import { once } from "node:events"

/** For tests: another Node process that runs this module text and prints one line, so that it can be killed. */
export async function elsewhere(script: string) {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["pipe", "pipe", "inherit"],
  })
  const ended = once(child, "exit")
  const [line] = await Promise.race([once(child.stdout, "data"), ended.then(() => [""])])
  return {
    line: String(line).trim(),
    async end(signal: NodeJS.Signals = "SIGKILL") {
      child.kill(signal)
      await ended
    },
  }
}
