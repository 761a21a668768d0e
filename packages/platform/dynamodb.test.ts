import { tableContract } from "./contract.ts"
import { startTable } from "./fixture.ts"

tableContract("dynoxide", (meter) => startTable({ meter }))
