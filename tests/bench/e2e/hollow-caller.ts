import { randomBytes } from "node:crypto";
import { connectBench } from "./bench-bus.ts";
import { takeLoadOrders } from "./load.ts";
import { rawOpen, rawSeal } from "./raw-aead.ts";

/** The first and the last of the four raw AES-GCM. */
const body = randomBytes(1024);
const bus = await connectBench("hollow-caller");
takeLoadOrders(async () => {
  const answer = await bus.request("bench.hollow", rawSeal(body), { timeout: 10_000 });
  rawOpen(answer.data);
});
