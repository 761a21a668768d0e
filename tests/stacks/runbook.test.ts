import { expect, test } from "vitest"
import { alarmKinds } from "../runbook.ts"
import { modelOf } from "./model.ts"
import { stages } from "./stages.ts"
import { synth } from "./synth.ts"

test("every alarm that is deployed stands in the runbook, and no other", async () => {
  const { alarms } = modelOf(await synth(stages[2]!))
  const named = alarmKinds().flatMap((kind) => kind.alarms)
  expect(named.sort()).toEqual(alarms.map(({ resource }) => resource).sort())
})
