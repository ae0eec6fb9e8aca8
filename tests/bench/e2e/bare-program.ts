import { randomBytes } from "node:crypto";
import { connectBench, reportReady, takeLoadOrders } from "./worker.ts";

/*
 * A bare NATS request with the same body.
 *
 *   node bare-program.ts caller | responder
 */
const [, , part = ""] = process.argv;
const bus = await connectBench(`bare-${part}`);
if (part === "caller") {
  const body = randomBytes(1024);
  takeLoadOrders(() => bus.request("bench.bare", body, { timeout: 10_000 }));
} else {
  bus.subscribe("bench.bare", {
    queue: "bare",
    callback: (_error, message) => {
      message.respond(message.data);
    },
  });
  await bus.flush();
  reportReady();
}
