import { Hono } from "hono/tiny"
import { once } from "#core/once.ts"
import type { ManagementNeeds } from "./management.ts"
import { type QuestionNeeds, questionsApp } from "./questions.ts"

export type ApiNeeds = QuestionNeeds & ManagementNeeds

const questions = /^\/v1\/(query|metrics|events|customers|cache|ledger)(\/|$)/

/** Questions, and management, which is loaded when it is first asked for. */
export function apiApp(needs: ApiNeeds) {
  const asked = questionsApp(needs)
  const managed = once(async () => (await import("./management.ts")).managementApp(needs))
  const app = new Hono()
  app.all("*", async (c) => {
    const part = questions.test(c.req.path) ? asked : await managed()
    return part.fetch(c.req.raw, c.env)
  })
  return app
}
