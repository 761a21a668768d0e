import type * as z from "zod/mini"
import type { Clock } from "#core/clock.ts"
import type { Actor } from "#store/audit.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"

export const kindNames = ["query", "replay", "reconcile"] as const
export type KindName = (typeof kindNames)[number]

/** `high` for what somebody waits for; each priority has a queue and workers of its own. */
export const priorities = ["high", "low"] as const
export type Priority = (typeof priorities)[number]

export type RunNeeds = { table: Table; clock: Clock; nonce: () => string }
export type Checkpoint = Record<string, string | number>

/** What a kind of job knows of the run that it is in. */
export type Run = {
  /** Who asked for the job. */
  by: Actor
  /** What an earlier run of this job has left for this one. */
  checkpoint: Checkpoint | undefined
  /**
   * Tells how far it is, and what the next run should know. Throws what ends this run: the job was cancelled, or another
   * worker has it, or this one is about to stop.
   */
  progress(done: number, total: number, checkpoint?: Checkpoint): Promise<void>
  /** Whether there is no more time, or no worker: what can be handed on is handed on. */
  isOver(): boolean
}
/** "interrupted" when the rest is for the next run. */
export type Ran = { outcome: "done"; result: object } | { outcome: "interrupted" }

/** What can be done as a job. */
export type Kind = {
  priority: Priority
  /** What a key must be allowed to do to ask for it, to cancel it and to see what it found. */
  scope: "read" | "admin"
  unit: "events" | "positions"
  /** Whether what it finds may tell of a customer: then each look at it stands in the audit log. */
  isPersonal(input: object): boolean
  /** What it is asked with. Loaded by whoever must check it. */
  Input(): Promise<z.ZodMiniType<object>>
  run(needs: RunNeeds, tenant: TenantId, input: object, run: Run): Promise<Ran>
}

type Of<Input extends z.ZodMiniType<object>> = Omit<Kind, "Input" | "run" | "isPersonal"> & {
  Input(): Promise<Input>
  isPersonal(input: z.output<Input>): boolean
  run(needs: RunNeeds, tenant: TenantId, input: z.output<Input>, run: Run): Promise<Ran>
}

/** What a worker knows to do. */
export type KindNamed = (name: KindName) => Promise<Kind>

/** A kind with an input of its own. What is kept was checked by an older version of us, perhaps: it is checked again. */
export const kindOf = <Input extends z.ZodMiniType<object>>({ run, ...kind }: Of<Input>): Kind => ({
  ...kind,
  run: async (needs, tenant, input, its) => run(needs, tenant, (await kind.Input()).parse(input), its),
})
