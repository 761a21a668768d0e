import { expect, test } from "vitest"
import { idleBill } from "../costs.ts"
import { alarmKinds } from "../runbook.ts"
import { modelOf } from "./model.ts"
import { stages } from "./stages.ts"
import { synth } from "./synth.ts"

test("every alarm that is deployed stands in the runbook, and no other", async () => {
  const { alarms } = modelOf(await synth(stages[2]!))
  const named = alarmKinds().flatMap((kind) => kind.alarms)
  expect(named.sort()).toEqual(alarms.map(({ resource }) => resource).sort())
})

test("the runbook's bill of an idle month has every metric that an alarm looks at, and the key", async () => {
  const { alarms, plan } = modelOf(await synth(stages[2]!))
  const keys = plan.resources.filter(({ type }) => type === "aws:kms/key:Key")
  const counted = new Map(idleBill().map(({ part, cells }) => [part, Number(cells[0])]))
  expect(counted.get("metrics that alarms look at")).toBe(alarms.flatMap(({ metrics }) => metrics).length)
  expect(counted.get("key of the vault")).toBe(keys.length)
})
