import type { StoreTransport } from "@scbe/bus";
import { startController } from "./canary-controller.ts";

/*
 * A controller that takes one turn, and never gets over the moment that its arguments name: `before` or `after` the writing of a promotion
 * into the control document. It says so, and waits to be killed.
 *
 *   node canary-process.ts <transport as JSON> <before|after> <the time, ms since the Unix epoch>
 */
const [, , transport = "", moment, now] = process.argv;
const controller = await startController({
  transport: JSON.parse(transport) as StoreTransport,
  clock: { now: () => Number(now), monotonic: () => performance.now() },
  onWrite: async (when, { by }) => {
    if (when !== moment || by !== "canary") return;
    process.stdout.write("reached\n");
    await new Promise(() => undefined);
  },
});
await controller.turn();
process.stdout.write("went on\n");
