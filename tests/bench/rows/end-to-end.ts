import type { Stage } from "../e2e/stage.ts";
import type { Row } from "../harness.ts";
import type { RowSource } from "./row-source.ts";

const IN_FLIGHT = 64;
const ROUND_MS = 1500;
const ROUNDS = 13;

export const e2eVsBare: RowSource = {
  name: "e2e-64-vs-bare",
  says: "our requests a second, 64 in flight, 1 KiB, over bare NATS requests of the same body",
  open: async (stage) => rowAgainst(e2eVsBare.name, "bare", await stage()),
};

export const e2eVsHollow: RowSource = {
  name: "e2e-64-vs-hollow",
  says: "the same over hollow requests: the same hops, batched admits and four raw AES-GCM, nothing else",
  open: async (stage) => rowAgainst(e2eVsHollow.name, "hollow", await stage()),
};

function rowAgainst(name: string, other: "bare" | "hollow", stage: Stage): Row {
  return {
    name,
    unit: "req/s",
    better: "higher",
    rounds: ROUNDS,
    ours: () => stage.perSecond("ours", IN_FLIGHT, ROUND_MS),
    against: () => stage.perSecond(other, IN_FLIGHT, ROUND_MS),
  };
}
