import { randomBytes } from "node:crypto";
import { ADMIT_ITEM_BYTES } from "@scbe/contracts";
import type { Msg } from "nats";
import { connectBench, reportReady } from "./bench-bus.ts";
import { rawOpen, rawSeal } from "./raw-aead.ts";

/** The hollow gateway: opens, has the turn's admits decided in one request, seals the body back. Nothing else. */
const bus = await connectBench("hollow-gateway");
let turn: Msg[] = [];

bus.subscribe("bench.hollow", {
  queue: "hollow",
  callback: (_error, message) => {
    if (turn.push(message) === 1) setImmediate(admit);
  },
});

async function admit(): Promise<void> {
  const batch = turn;
  turn = [];
  const bodies = batch.map((message) => rawOpen(message.data));
  const verdicts = await bus.request("bench.hollow-admit", randomBytes(batch.length * ADMIT_ITEM_BYTES), {
    timeout: 5000,
  });
  batch.forEach((message, index) => {
    if (verdicts.data[index] === 1) message.respond(rawSeal(bodies[index] ?? Buffer.alloc(0)));
  });
}

await bus.flush();
reportReady();
