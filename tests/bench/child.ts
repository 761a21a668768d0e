import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"

/** A server of a benchmark in a process of its own, so that its work is not the load generator's. */
export type Child = {
  pid: number
  /** What it said when it was ready. */
  ready: Record<string, string>
  ask<T>(question: string, about?: object): Promise<T>
  stop(): Promise<void>
}

export type Question = { id: number; question: string; about: object }
export type Reply = { id: number; answer?: unknown; error?: string }
export type Answers = { [question: string]: (about: never) => unknown }

/** Starts `serve.ts` in a role; resolves when it is ready. */
export async function startChild(role: string, about: object = {}): Promise<Child> {
  const program = fileURLToPath(new URL("./serve.ts", import.meta.url))
  const child = fork(program, [role, JSON.stringify(about)], { stdio: ["ignore", "inherit", "inherit", "ipc"] })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let asked = 0
  child.on("message", ({ id, answer, error }: Reply) => {
    const one = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) one?.resolve(answer)
    else one?.reject(new Error(`${role}: ${error}`))
  })
  void ended.then(() => {
    for (const one of waiting.values()) one.reject(new Error(`${role} ended`))
  })
  const ask = <T>(question: string, more: object = {}) => {
    const one = Promise.withResolvers<unknown>()
    waiting.set(++asked, one)
    child.send({ id: asked, question, about: more } satisfies Question)
    return one.promise as Promise<T>
  }
  return {
    pid: child.pid!,
    ready: await ask<Record<string, string>>("ready"),
    ask,
    stop: async () => {
      await ask("stop").catch(() => undefined)
      if (child.connected) child.disconnect()
      await ended
    },
  }
}
