import { readdirSync, readFileSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"

/** The environment variable that tells whose child a process was when it started. */
export const OWNER = "OCTANT_OWNER"

/**
 * Ends the processes with these words on their command line whose owner died without ending them.
 * Gives the id of one that is not ours to end: its owner lives, or it was started by hand. Linux only.
 */
export async function endOrphans(words: readonly string[]): Promise<number | undefined> {
  for (const pid of processes(words)) {
    const isOrphan = ownerOf(pid) !== undefined && ownerOf(pid) !== parentOf(pid)
    if (!isOrphan && runs(pid, words)) return pid
    if (isOrphan) end(pid)
    while (runs(pid, words)) await pause(1)
  }
  return undefined
}

function end(pid: number) {
  try {
    process.kill(pid, "SIGKILL")
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error
  }
}

const processes = (words: readonly string[]) =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => runs(pid, words))

const runs = (pid: number, words: readonly string[]) => {
  const line = read(pid, "cmdline").split("\0")
  return words.every((word) => line.includes(word))
}

/** The fourth field of `stat`; the second is a name in brackets that may hold spaces. */
const parentOf = (pid: number) => read(pid, "stat").split(") ").at(-1)?.split(" ")[1]

const ownerOf = (pid: number) =>
  read(pid, "environ")
    .split("\0")
    .find((entry) => entry.startsWith(`${OWNER}=`))
    ?.slice(OWNER.length + 1)

/** Empty when the process is gone: between listing and reading, any may end. */
function read(pid: number, what: "cmdline" | "stat" | "environ") {
  try {
    return readFileSync(`/proc/${pid}/${what}`, "utf8")
  } catch {
    return ""
  }
}
