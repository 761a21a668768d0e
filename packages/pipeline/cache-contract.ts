import { describe, expect, test } from "vitest"
import type { Kept } from "./cache.ts"

let made = 0
/** What every place does in which answers are kept. `pass` lets time go by. */
export function keptContract(name: string, start: () => { kept: Kept; pass(ms: number): Promise<void> }) {
  describe(`answers kept ${name}`, () => {
    const key = () => `T#contract#answer#${process.pid}#${made++}`

    test("what was put is got, byte for byte, and nothing else is", async () => {
      const { kept } = start()
      const [one, other] = [key(), key()]
      const value = JSON.stringify({
        total: 12,
        money: "0.10",
        text: 'ÄΩ "quoted" \\ \n 你好 🎉',
        no: null,
        digits: "007",
      })
      await kept.put(one, value, 60_000)
      expect(await kept.get(one)).toBe(value)
      expect(await kept.get(other)).toBeUndefined()
      for (const plain of ["12", "true", "null", "OK", "", "[1]"]) {
        await kept.put(one, plain, 60_000)
        expect(await kept.get(one)).toBe(plain)
      }
    })

    test("a later value takes the place of an earlier one", async () => {
      const { kept } = start()
      const one = key()
      await kept.put(one, "first", 60_000)
      await kept.put(one, "second", 60_000)
      expect(await kept.get(one)).toBe("second")
    })

    test("what is older than its time is gone", async () => {
      const { kept, pass } = start()
      const one = key()
      await kept.put(one, "soon gone", 100)
      await pass(150)
      expect(await kept.get(one)).toBeUndefined()
    })
  })
}
