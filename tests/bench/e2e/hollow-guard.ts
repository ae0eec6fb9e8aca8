import { ADMIT_ITEM_BYTES } from "@scbe/contracts";
import { Redis } from "ioredis";
import { connectBench, reportReady } from "./bench-bus.ts";

/** The hollow guard: one pipelined `SET NX` an item, no epochs, no store check. */
const bus = await connectBench("hollow-guard");
const redis = new Redis(process.env.BENCH_REDIS_URL ?? "");

bus.subscribe("bench.hollow-admit", {
  queue: "hollow-guard",
  callback: async (_error, message) => {
    const pipeline = redis.pipeline();
    for (let at = 0; at < message.data.length; at += ADMIT_ITEM_BYTES) {
      pipeline.set(
        `hollow:${Buffer.from(message.data.subarray(at, at + 48)).toString("base64")}`,
        "1",
        "PX",
        60_000,
        "NX",
      );
    }
    const results = (await pipeline.exec()) ?? [];
    message.respond(Uint8Array.from(results, ([error, value]) => (error === null && value === "OK" ? 1 : 0)));
  },
});

await bus.flush();
reportReady();
